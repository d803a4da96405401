"""Predict with a trained run."""

from pathlib import Path

import numpy as np

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.train.predict import predict_run

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    folder = Path(snakemake.input.run).parent
    run = RunConfig.read(folder)
    items, logits = predict_run(folder, threads=snakemake.threads)
    roles = np.array(ROLES)[items.roles]
    predictions = Predictions(items.record_ids, roles, logits, items.targets, run.classes, run.task)
    predictions.write(snakemake.output[0])
