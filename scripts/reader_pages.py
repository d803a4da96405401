"""Train the networks that read pages, resumed if the training was interrupted."""

from pathlib import Path

import torch

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.reader.training import train_reader

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources, default=1)):
    torch.set_num_threads(max(1, snakemake.threads - 1))  # one core makes the pages
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = Path(snakemake.output.weights).parent
    train_reader(snakemake.input.signals, folder, ReaderConfig(**snakemake.params.recipe), device)
