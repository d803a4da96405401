"""What the controls see of one shard."""

import json
from pathlib import Path

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
        json.loads(Path(snakemake.input.area).read_text(encoding="utf-8")),
        ControlConfig(**snakemake.params.control),
        title=f"control {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
    ).write(snakemake.output[0])
