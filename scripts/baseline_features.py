"""Compute the features of one shard for the baselines."""

from ecgpipe.artifacts.files import read_json
from ecgpipe.baselines.features import shard_features
from ecgpipe.imaging.pages import page_source
from ecgpipe.logs import job_log

with job_log(snakemake):
    shard_features(
        page_source(
            snakemake.input.pages, snakemake.input.records, snakemake.params.drawing, snakemake.wildcards.shard
        ),
        snakemake.input.images,
        snakemake.input.indices,
        read_json(snakemake.input.area),
        title=f"baselines {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
    ).write(snakemake.output[0])
