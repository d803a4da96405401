"""Train the networks that read pages, or resume an interrupted run."""

import json

import torch

from ecgpipe.artifacts.files import copy_files, file_sha256, resumable_folder
from ecgpipe.config.pages import ReaderConfig
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.reader.training import train_reader

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources, default=1)):
    torch.set_num_threads(max(1, snakemake.threads - 1))  # one core makes the pages
    device = "cuda" if torch.cuda.is_available() else "cpu"
    signals, params = snakemake.input.signals, snakemake.params
    made_from = (json.dumps(params.recipe), params.code, file_sha256(signals))
    with resumable_folder(snakemake.output.weights, *made_from) as folder:
        train_reader(signals, folder, ReaderConfig(**params.recipe), device)
        copy_files(folder, snakemake.output)
