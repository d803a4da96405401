"""Train the network that reads printed scales, resumed if it was interrupted, and write the page reader's weights."""

import json
from pathlib import Path

import torch

from ecgpipe.artifacts.files import copy_files, file_sha256, resumable_folder
from ecgpipe.config.pages import ReaderConfig
from ecgpipe.logs import job_log
from ecgpipe.reader.text_training import train_texts

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    inputs, params = snakemake.input, snakemake.params
    weights = Path(snakemake.output.weights)
    made_from = (json.dumps(params.recipe), params.code, file_sha256(inputs.signals), file_sha256(inputs.lines))
    with resumable_folder(weights, *made_from) as folder:
        train_texts(inputs.signals, inputs.lines, folder / weights.name, ReaderConfig(**params.recipe))
        copy_files(folder, snakemake.output)
