"""The model-ready images of one shard of pages."""

from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.logs import job_log
from ecgpipe.preprocess.shard import preprocess_shard

with job_log(snakemake):
    preprocess_shard(
        snakemake.input.pages,
        PreprocessConfig(**snakemake.params.preprocess),
        snakemake.output.images,
        snakemake.output.indices,
        snakemake.output.problems,
        title=f"preprocess {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
    )
