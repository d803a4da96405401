"""Make the images of one shard from its pages or, if pages are not kept, its records; or from digitized recordings."""

from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.imaging.pages import page_source, raw_files
from ecgpipe.imaging.shard import make_images
from ecgpipe.logs import job_log

with job_log(snakemake):
    drawing, start = snakemake.params.drawing, {"start": snakemake.params.get("start", 0.0)}
    records, shard = snakemake.input.records, snakemake.wildcards.shard
    stored = snakemake.input.get("pages") or []
    redrawn = "canonical" in drawing
    make_images(
        page_source(stored, records, drawing if redrawn else None if stored else drawing | start, shard),
        PreprocessConfig(**snakemake.params.preprocess),
        snakemake.output.images,
        snakemake.output.indices,
        snakemake.output.problems,
        title=f"preprocess {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        names=raw_files(records, drawing, shard) if stored and not redrawn else None,
    )
