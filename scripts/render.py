"""Make the pages of one shard: rendered from records, or copied from an image dataset."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.logs import job_log
from ecgpipe.render.shard import render_shard

with job_log(snakemake):
    records, drawing = RECORDS.read(snakemake.input.records), snakemake.params.drawing
    render_shard(
        records[records["shard"] == snakemake.wildcards.shard],
        drawing["source"],
        drawing["sampling_rate"],
        None if drawing["render"] is None else RenderConfig(**drawing["render"]),
        snakemake.output.pages,
        snakemake.output.problems,
        title=f"render {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        derive_leads=drawing["derive_leads"],
    )
