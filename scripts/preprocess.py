"""Make the images of one shard from its pages or, if pages are not kept, from its records."""

from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.imaging.pages import page_source
from ecgpipe.imaging.shard import make_images
from ecgpipe.logs import job_log

with job_log(snakemake):
    drawing = snakemake.params.drawing
    if drawing is not None:
        drawing = {**drawing, "start": snakemake.params.get("start", 0.0)}
    make_images(
        page_source([snakemake.input.get("pages")], snakemake.input.get("records"), drawing, snakemake.wildcards.shard),
        PreprocessConfig(**snakemake.params.preprocess),
        snakemake.output.images,
        snakemake.output.indices,
        snakemake.output.problems,
        title=f"preprocess {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
    )
