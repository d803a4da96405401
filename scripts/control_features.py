"""What the controls see of one shard."""

from ecgpipe.artifacts.atomic import read_json
from ecgpipe.config.control import ControlConfig
from ecgpipe.control.features import shard_features
from ecgpipe.direct.pages import page_source
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    pages = [snakemake.input.pages] if snakemake.input.pages else []
    shard_features(
        page_source(pages, snakemake.input.records, snakemake.params.drawing, snakemake.wildcards.shard),
        snakemake.input.images,
        snakemake.input.indices,
        read_json(snakemake.input.area),
        ControlConfig(**snakemake.params.control),
        title=f"control {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
    ).write(snakemake.output[0])
