"""Train the networks of the built-in model."""

from pathlib import Path

from safetensors.torch import save_file

from ecgpipe.acquire.labels import statement_targets
from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.tables import RECORDS, SPLIT, Labels
from ecgpipe.config.box import BoxConfig
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log
from ecgpipe.train.recordings import train_recordings

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    recipe = BoxConfig(**snakemake.params.recipe)
    split, labels = SPLIT.read(snakemake.input.split), Labels.read(snakemake.input.labels)
    record_ids = split.loc[split["role"] == "train", "record_id"].sort_values().to_numpy(str)
    stored = BaselineSignals.read(snakemake.input.signals)
    rows, found = find_rows(record_ids, stored.record_ids)
    record_ids = record_ids[found]
    records = RECORDS.read(snakemake.input.records, ["record_id", "statements"], record_ids)
    output = Path(snakemake.output[0])
    net = train_recordings(
        stored.signals[rows[found]],
        labels.of_records(record_ids),
        statement_targets(records, record_ids, recipe.least_records),
        recipe,
        output.parent / "members",
        snakemake.threads,
    )
    with atomic_path(output) as partial:
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, partial)
