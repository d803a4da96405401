"""Train the networks of the built-in model."""

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from ecgpipe.acquire.labels import statement_targets
from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.tables import RECORDS, SPLIT, Labels
from ecgpipe.config.box import BoxConfig
from ecgpipe.errors import ConfigError
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.train.recordings import Examples, train_recordings


def examples_of(record_ids, files, labels, statements):
    """The records that have a signal."""
    stored = BaselineSignals.read(files)
    rows, found = find_rows(record_ids, stored.record_ids)
    return Examples(stored.signals[rows[found]], labels.of_records(record_ids[found]), statements[found])


with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    recipe = BoxConfig(**snakemake.params.recipe)
    split, labels = SPLIT.read(snakemake.input.split), Labels.read(snakemake.input.labels)
    record_ids = split.loc[split["role"] == "train", "record_id"].sort_values().to_numpy(str)
    records = RECORDS.read(snakemake.input.records, ["record_id", "statements"], record_ids)
    statements = statement_targets(records, record_ids, recipe.least_records)
    examples = examples_of(record_ids, snakemake.input.signals, labels, statements)
    first = None
    if recipe.pretrain_on is not None:
        others = Labels.read(snakemake.input.first_labels)
        if others.classes != labels.classes:
            raise ConfigError(f"box.pretrain_on: {recipe.pretrain_on} has other classes than {recipe.dataset}")
        none = np.zeros((len(others.record_ids), 0), np.uint8)
        first = examples_of(others.record_ids, snakemake.input.first_signals, others, none)
    output = Path(snakemake.output[0])
    net = train_recordings(examples, recipe, output.parent / "members", snakemake.threads, first)
    with atomic_path(output) as partial:
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, partial)
