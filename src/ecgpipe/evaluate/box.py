"""Make the model that comes with the package: scores on digitized pages, calibration and card (target `box`)."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.digitized import SAMPLING_RATE, read_digitized
from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.recording_model import RecordingModel
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.box import REFERENCE_LOOK, BoxConfig
from ecgpipe.evaluate.looks import paired_difference, score_looks
from ecgpipe.models.recording_card import card_text
from ecgpipe.models.recording_folder import PageOutput, fit_limit, page_output, rounded, save_recording_model, stacked
from ecgpipe.models.recordings import RecordingNet, at_network_rate
from ecgpipe.progress import progress

NAME = "box"
RECORDING = "recording"
"""The look of records that are not drawn at all: ten seconds of all leads."""
COMMAND = "snakemake box --configfile config/box.yaml"


def make_box(
    net: RecordingNet,
    pages: Mapping[str, Path],
    signals: Sequence[Path],
    labels: Labels,
    split: pd.DataFrame,
    records: pd.DataFrame,
    reference: Predictions,
    recipe: BoxConfig,
    evaluate: EvaluateConfig,
    folder: Path,
) -> None:
    """Score the trained network and write the folder of the model.

    Thresholds, calibration and the limit of unusual pages come from the validation records alone.

    Args:
        net: trained.
        pages: look -> digitized pages of its records.
        signals: files of BaselineSignals of all shards.
        labels: targets.
        split: rows of the split format.
        records: rows of records.parquet with the columns of ``score_looks``.
        reference: predictions of the signal reference on the same split.
        recipe, evaluate: sections of the configuration.
        folder: of the saved model.
    """
    net = rounded(net)
    of_role = {role: sorted(rows) for role, rows in split.groupby("role")["record_id"]}
    role_of = dict(zip(split["record_id"], split["role"], strict=True))
    stored = BaselineSignals.read(signals)
    recordings = {
        record_id: page_output(net, signal.astype(np.float32))
        for record_id, signal in progress(
            zip(stored.record_ids.tolist(), stored.signals, strict=True), "recordings", len(stored.record_ids)
        )
        if record_id in role_of
    }
    looks = {RECORDING: {each: out for each, out in recordings.items() if role_of[each] == "test"}}
    validation: dict[str, dict[str, PageOutput]] = {}
    refused = {}
    for look, file in pages.items():
        outputs = {
            record.record_id: page_output(net, at_network_rate(record.signal, SAMPLING_RATE))
            for record in progress(read_digitized(file), look)
        }
        looks[look] = {each: out for each, out in outputs.items() if role_of[each] == "test"}
        validation[look] = {each: out for each, out in outputs.items() if role_of[each] == "validation"}
        refused[look] = len(recipe.records_of(look, of_role["validation"], of_role["test"])) - len(outputs)
    tests = {look: _predictions(outputs, labels, "test") for look, outputs in looks.items()}
    pooled = _pooled([_predictions(outputs, labels, "validation") for outputs in validation.values() if outputs])
    scores = score_looks(tests, pooled, records, evaluate)
    training = stacked([out for each, out in recordings.items() if role_of[each] == "train"])[1]
    seen = stacked([out for outputs in validation.values() for out in outputs.values()])[1]
    gaussian, limit = fit_limit(training, seen)
    differences = {
        look: paired_difference(tests[look], tests[REFERENCE_LOOK], records, evaluate)
        for look in tests
        if look != REFERENCE_LOOK
    } | {"signal reference": paired_difference(tests[REFERENCE_LOOK], reference.of_role("test"), records, evaluate)}
    unusual = {
        look: float((gaussian.distance(stacked(list(outputs.values()))[1]) > limit.features).mean())
        for look, outputs in looks.items()
    }
    fitted = scores[REFERENCE_LOOK]["recalibration"]
    metrics = {
        "looks": {
            look: {key: each[key] for key in ("records", "groups", "support", "scores", "per_class")}
            | {"calibration_error": each["recalibration"]["ece"], "refused": refused.get(look, 0)}
            | {"unusual": unusual[look]}
            for look, each in scores.items()
        },
        "confidence": evaluate.confidence,
        "differences": differences,
    }
    saved = RecordingModel(
        name=NAME,
        classes=labels.classes,
        members=recipe.members,
        width=recipe.width,
        training={
            "dataset": recipe.dataset,
            "protocol": "folds",
            "seed": recipe.seed,
            "records": {role: int(count) for role, count in split["role"].value_counts().items()},
            "recipe": recipe.model_dump(mode="json"),
            "command": COMMAND,
            "versions": {"ecgpipe": version("ecgpipe"), "torch": torch.__version__},
        },
        thresholds={
            label: [{key: row[key] for key in ("asked_specificity", "threshold", "chosen_on")} for row in rows]
            for label, rows in scores[REFERENCE_LOOK]["thresholds"].items()
        },
        # a record may have pages in several looks
        calibration=Calibration(
            **{name: fitted[name] for name in Calibration.model_fields} | {"records": len(set(pooled.record_ids))}
        ),
        ood=limit,
    )
    save_recording_model(folder, net, saved, gaussian, metrics, card_text(saved, metrics))


def _predictions(outputs: Mapping[str, PageOutput], labels: Labels, role: str) -> Predictions:
    ids = np.array(sorted(outputs), str)
    logits, _ = stacked([outputs[each] for each in ids])
    return Predictions(ids, np.full(len(ids), role), logits, labels.of_records(ids), labels.classes, labels.task)


def _pooled(parts: Sequence[Predictions]) -> Predictions:
    ids, roles, logits, targets = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("record_ids", "roles", "logits", "targets")
    )
    return Predictions(ids, roles, logits, targets, parts[0].classes, parts[0].task)
