"""The model-ready images of one shard, without pages files between."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.imaging.shard import direct_shard
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    drawing = snakemake.params.drawing
    direct_shard(
        records[records["shard"] == snakemake.wildcards.shard],
        drawing["source"],
        drawing["sampling_rate"],
        None if drawing["render"] is None else RenderConfig(**drawing["render"]),
        PreprocessConfig(**snakemake.params.preprocess),
        snakemake.output.images,
        snakemake.output.indices,
        snakemake.output.render_problems,
        snakemake.output.problems,
        title=f"images {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        derive_leads=drawing["derive_leads"],
        start=snakemake.params.get("start", 0.0),
    )
