"""Find the regions of simulated findings on the pages of one shard."""

from pathlib import Path

from ecgpipe.artifacts.tables import read_shard
from ecgpipe.artifacts.truth import read_truth
from ecgpipe.config.pages import RenderConfig
from ecgpipe.logs import job_log
from ecgpipe.render.findings import write_findings

with job_log(snakemake):
    records = read_shard(snakemake.input.records, snakemake.wildcards.shard)
    write_findings(
        records,
        read_truth(Path(snakemake.params.source, "truth.jsonl"), records["record_id"]),
        snakemake.params.source,
        snakemake.params.sampling_rate,
        RenderConfig(**snakemake.params.render),
        snakemake.output[0],
        title=f"findings {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
    )
