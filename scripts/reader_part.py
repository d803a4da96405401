"""Train one of the reader's small networks, resumed if it was interrupted; the other networks keep their weights."""

import json
from pathlib import Path

import torch

from ecgpipe.artifacts.files import copy_files, file_sha256, resumable_folder
from ecgpipe.config.pages import ReaderConfig
from ecgpipe.logs import job_log
from ecgpipe.reader.line_training import train_lines
from ecgpipe.reader.text_training import train_texts

TRAINING = {"line": train_lines, "text": train_texts}

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    examples, reader, params = snakemake.input.examples, snakemake.input.reader, snakemake.params
    weights = Path(snakemake.output.weights)
    made_from = (json.dumps(params.recipe), params.code, file_sha256(examples), file_sha256(reader))
    with resumable_folder(weights, *made_from) as folder:
        TRAINING[params.part](examples, reader, folder / weights.name, ReaderConfig(**params.recipe))
        copy_files(folder, snakemake.output)
