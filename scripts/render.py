"""Make the pages of one shard: rendered from records, or copied from an image dataset."""

from ecgpipe.artifacts.tables import read_shard
from ecgpipe.config.pages import RenderConfig
from ecgpipe.logs import job_log
from ecgpipe.render.shard import render_shard

with job_log(snakemake):
    drawing = snakemake.params.drawing
    # the kit's location and time limit are not parameters, since they do not change the pages
    kit = {
        k: v for k, v in snakemake.config.get("render", {}).items() if k in ("kit_path", "kit_python", "kit_timeout")
    }
    render_shard(
        read_shard(snakemake.input.records, snakemake.wildcards.shard),
        drawing["source"],
        drawing["sampling_rate"],
        None if drawing["render"] is None else RenderConfig(**drawing["render"], **kit),
        snakemake.output.pages,
        snakemake.output.problems,
        title=f"render {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        derive_leads=drawing["derive_leads"],
        reading=drawing.get("reading"),
    )
