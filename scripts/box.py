"""Score the built-in model on digitized pages and write its folder."""

from pathlib import Path

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import SPLIT, Labels, read_grouped
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.box import BoxConfig
from ecgpipe.evaluate.box import make_box
from ecgpipe.logs import job_log
from ecgpipe.models.recordings import RecordingNet
from ecgpipe.models.weights import read_weights

with job_log(snakemake):
    recipe, labels = BoxConfig(**snakemake.params.recipe), Labels.read(snakemake.input.labels)
    split = SPLIT.read(snakemake.input.split)
    net = RecordingNet(len(labels.classes), recipe.members, recipe.width)
    net.load_state_dict(read_weights(snakemake.input.weights))
    make_box(
        net,
        dict(zip(recipe.looks, map(Path, snakemake.input.pages), strict=True)),
        snakemake.input.signals,
        labels,
        split,
        read_grouped(snakemake.input.records, None, split["record_id"].to_numpy(str)),
        Predictions.read(snakemake.input.reference),
        recipe,
        EvaluateConfig(**snakemake.params.evaluate),
        Path(snakemake.output.saved).parent,
    )
