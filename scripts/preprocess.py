"""Make the images of one shard from its pages or, if pages are not kept, from its records."""

from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.imaging.pages import page_source, raw_files
from ecgpipe.imaging.shard import make_images
from ecgpipe.logs import job_log

with job_log(snakemake):
    drawing = {**snakemake.params.drawing, "start": snakemake.params.get("start", 0.0)}
    records, shard = snakemake.input.records, snakemake.wildcards.shard
    stored = [snakemake.input.pages] if snakemake.input.get("pages") else []
    make_images(
        page_source(stored, records, None if stored else drawing, shard),
        PreprocessConfig(**snakemake.params.preprocess),
        snakemake.output.images,
        snakemake.output.indices,
        snakemake.output.problems,
        title=f"preprocess {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        names=raw_files(records, drawing, shard) if stored else None,
    )
