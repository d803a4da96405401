"""Train the network that corrects lines, resumed if it was interrupted, and add it to the page networks' weights."""

import json
from pathlib import Path

import torch

from ecgpipe.artifacts.files import copy_files, file_sha256, resumable_folder
from ecgpipe.config.pages import ReaderConfig
from ecgpipe.logs import job_log
from ecgpipe.reader.line_training import train_lines

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    inputs, params = snakemake.input, snakemake.params
    weights = Path(snakemake.output.weights)
    made_from = (json.dumps(params.recipe), params.code, file_sha256(inputs.examples), file_sha256(inputs.pages))
    with resumable_folder(weights, *made_from) as folder:
        train_lines(inputs.examples, inputs.pages, folder / weights.name, ReaderConfig(**params.recipe))
        copy_files(folder, snakemake.output)
