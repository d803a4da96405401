"""Predict records of another dataset with a trained run."""

from pathlib import Path

import numpy as np

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.predictions import ExternalLogits
from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.artifacts.tables import SPLIT, rows_of_images
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.train.predict import predict_external

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    folder = Path(snakemake.input.run).parent
    run = RunConfig.read(folder)
    record_ids, roles = SPLIT.read_text(snakemake.input.split, ["record_id", "role"])
    items, logits = predict_external(
        folder,
        snakemake.wildcards.target,
        record_ids=record_ids,
        roles=roles,
        images=rows_of_images(snakemake.input.indices),
        preprocess=PreprocessConfig(**snakemake.params.preprocess),
        threads=snakemake.threads,
    )
    used = ExternalLogits(items.record_ids, np.array(ROLES)[items.roles], logits, run.classes, run.task)
    used.write(snakemake.output[0])
