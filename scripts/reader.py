"""Train the network that corrects lines, resumed if it was interrupted, and write the page reader's weights."""

import torch

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.logs import job_log
from ecgpipe.reader.line_training import train_lines

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    inputs, recipe = snakemake.input, ReaderConfig(**snakemake.params.recipe)
    train_lines(inputs.examples, inputs.pages, snakemake.output.weights, recipe)
