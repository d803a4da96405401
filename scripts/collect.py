"""The pages of one shard of a data set that consists of images."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.logs import job_log
from ecgpipe.render.shard import collect_shard

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    collect_shard(
        records[records["shard"] == snakemake.wildcards.shard],
        snakemake.params.source,
        snakemake.output.pages,
        snakemake.output.problems,
        title=f"collect {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
    )
