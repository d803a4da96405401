"""The pages of one shard of records."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.logs import job_log
from ecgpipe.render.shard import render_shard

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    render_shard(
        records[records["shard"] == snakemake.wildcards.shard],
        snakemake.params.source,
        snakemake.params.reading["sampling_rate"],
        RenderConfig(**snakemake.params.render),
        snakemake.output.pages,
        snakemake.output.problems,
        title=f"render {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        derive_leads=snakemake.params.reading["derive_leads"],
    )
