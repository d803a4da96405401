"""Make the model that comes with the package: scores on digitized pages, calibration and card (target `box`)."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.digitized import SAMPLING_RATE, read_digitized
from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.recording_model import BUILT_IN, FeatureLimit, RecordingModel
from ecgpipe.artifacts.tables import Labels
from ecgpipe.bootstrap import resampling_groups
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.box import REFERENCE_LOOK, BoxConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.calibration import calibrated_ece
from ecgpipe.evaluate.compare import bootstrap_row, pair_head
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores
from ecgpipe.evaluate.scores import evaluate_predictions
from ecgpipe.models.recording_card import card_text
from ecgpipe.models.recording_folder import fit_limit, page_output, rounded, save_recording_model
from ecgpipe.models.recordings import RecordingNet, at_network_rate
from ecgpipe.progress import progress

RECORDING = "recording"
"""The name, among the looks, of recordings that are not drawn: ten seconds of all leads."""
REFERENCE = "signal reference"
COMMAND = "snakemake box --configfile config/box.yaml"
SCORE = "auc_macro"
SCORED = ("records", "groups", "support", "scores", "per_class")
"""The scores of each look that metrics.json keeps."""


@dataclass(frozen=True)
class _Outputs:
    """The network's outputs for the records or pages of one look.

    Attributes:
        record_ids: (n,) sorted.
        roles: (n,) in the split.
        logits: (n, classes).
        features: (n, d).
    """

    record_ids: np.ndarray
    roles: np.ndarray
    logits: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, net: RecordingNet, signals: Iterable[tuple[str, np.ndarray]], role_of: Mapping[str, str]) -> "_Outputs":
        """Run the network on (record id, signal at its rate) of the records of a split; unusable ones are left out."""
        outputs = {}
        for record_id, signal in signals:
            if record_id in role_of:
                with suppress(DataError):
                    outputs[record_id] = page_output(net, signal)
        ids = sorted(outputs)
        return cls(
            np.array(ids, str),
            np.array([role_of[each] for each in ids]),
            np.stack([outputs[each].logits for each in ids]),
            np.stack([outputs[each].features for each in ids]),
        )

    def predictions(self, role: str, labels: Labels) -> Predictions:
        """The predictions of one role."""
        chosen = self.roles == role
        ids = self.record_ids[chosen]
        return Predictions(
            ids, self.roles[chosen], self.logits[chosen], labels.of_records(ids), labels.classes, labels.task
        )

    def features_of(self, role: str) -> np.ndarray:
        """The features of one role."""
        return self.features[self.roles == role]


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

    Thresholds, calibration and the limit for unusual pages come from the validation records alone.

    Args:
        net: trained.
        pages: look -> digitized pages of its records.
        signals: files of BaselineSignals of all shards.
        labels: targets.
        split: rows of the split format.
        records: rows of records.parquet with the columns of ``score_looks``.
        reference: predictions of the signal reference on the same split.
        recipe, evaluate: sections of the configuration.
        folder: folder of the saved model.
    """
    net = rounded(net)
    role_of = dict(zip(split["record_id"], split["role"], strict=True))
    stored = BaselineSignals.read(signals)
    whole = ((each, signal.astype(np.float32)) for each, signal in zip(stored.record_ids, stored.signals, strict=True))
    recordings = _Outputs.of(net, progress(whole, RECORDING, len(stored.record_ids)), role_of)
    digitized = {look: _Outputs.of(net, progress(_signals(file), look), role_of) for look, file in pages.items()}

    looks = {RECORDING: recordings} | digitized
    tests = {look: outputs.predictions("test", labels) for look, outputs in looks.items()}
    validation = Predictions.joined([outputs.predictions("validation", labels) for outputs in digitized.values()])
    scores = score_looks(tests, validation, records, evaluate)
    gaussian, limit = fit_limit(
        recordings.features_of("train"),
        np.concatenate([outputs.features_of("validation") for outputs in digitized.values()]),
    )
    test_ids = sorted(record_id for record_id, role in role_of.items() if role == "test")
    metrics = {
        "looks": {
            look: {key: each[key] for key in SCORED}
            | {
                "calibration_error": _calibration_errors(each, tests[look], evaluate),
                "refused": len(recipe.records_of(look, [], test_ids)) - each["records"] if look in pages else 0,
                "unusual": float((gaussian.distance(looks[look].features_of("test")) > limit.features).mean()),
            }
            for look, each in scores.items()
        },
        "confidence": evaluate.confidence,
        "differences": _differences(tests, reference.of_role("test"), records, evaluate),
    }
    saved = _saved_model(labels, split, scores[REFERENCE_LOOK], len(set(validation.record_ids)), limit, recipe)
    save_recording_model(folder, net, saved, gaussian, metrics, card_text(saved, metrics))


def _saved_model(
    labels: Labels,
    split: pd.DataFrame,
    scores: Mapping[str, Any],
    validation_records: int,
    limit: FeatureLimit,
    recipe: BoxConfig,
) -> RecordingModel:
    """The description of the model, with thresholds and calibration from the scores of the reference look."""
    fitted = scores["recalibration"]
    return RecordingModel(
        variant=BUILT_IN,
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
            for label, rows in scores["thresholds"].items()
        },
        # a record may have pages in several looks
        calibration=Calibration(
            **{name: fitted[name] for name in Calibration.model_fields} | {"records": validation_records}
        ),
        ood=limit,
    )


def _calibration_errors(scores: Mapping[str, Any], tests: Predictions, evaluate: EvaluateConfig) -> dict[str, Any]:
    """Calibration errors before and after calibration, and of a perfectly calibrated model."""
    fitted = Calibration(**{name: scores["recalibration"][name] for name in Calibration.model_fields})
    probabilities = fitted.probabilities(tests.logits, tests.task)
    perfect = calibrated_ece(probabilities, tests.task, evaluate.seed, evaluate.confidence)
    return scores["recalibration"]["ece"] | {"calibrated_model": perfect}


def _signals(file: Path) -> list[tuple[str, np.ndarray]]:
    """The digitized pages of a file at the network's rate."""
    return [(page.record_id, at_network_rate(page.signal, SAMPLING_RATE)) for page in read_digitized(file)]


def _differences(
    tests: Mapping[str, Predictions], reference: Predictions, records: pd.DataFrame, evaluate: EvaluateConfig
) -> dict[str, dict[str, Any]]:
    """Differences of each look from the reference look, and of that look from the signal reference."""
    plain = tests[REFERENCE_LOOK]
    pairs = {look: (each, plain) for look, each in tests.items() if look != REFERENCE_LOOK} | {
        REFERENCE: (plain, reference)
    }
    return {name: paired_difference(*pair, records, evaluate) for name, pair in pairs.items()}


def score_looks(
    looks: Mapping[str, Predictions], validation: Predictions, records: pd.DataFrame, config: EvaluateConfig
) -> dict[str, dict[str, Any]]:
    """The scores of each look (see ``evaluate_predictions``), with thresholds and calibration from all looks.

    Args:
        looks: name -> predictions of test records.
        validation: predictions of the validation pages of all looks; a record may occur in several.
        records: rows of records.parquet with the columns GROUPED_BY.
        config: intervals and thresholds.
    """
    return {
        name: evaluate_predictions(each, resampling_groups(each.record_ids, records), config, validation)
        for name, each in looks.items()
    }


def paired_difference(
    first: Predictions, second: Predictions, records: pd.DataFrame, config: EvaluateConfig
) -> dict[str, Any]:
    """Macro AUC of the first predictions minus that of the second, on their common records.

    Returns:
        ``value``, ``low`` and ``high``, with a bootstrap over patients, and ``records``.
    """
    common = np.intersect1d(first.record_ids, second.record_ids)
    runs = {name: {0: _reported(each, common, records)} for name, each in (("first", first), ("second", second))}
    scores = bootstrap_scores(runs, config)
    head = pair_head("first", "second", None, runs["first"])
    row = bootstrap_row(head, scores["first"], scores["second"], SCORE, config)
    return {"value": row["difference"], "low": row["low"], "high": row["high"], "records": len(common)}


def _reported(predictions: Predictions, record_ids: np.ndarray, records: pd.DataFrame) -> Reported:
    rows, _ = find_rows(record_ids, predictions.record_ids)
    return Reported(predictions.select(rows), np.full(len(record_ids), ""), resampling_groups(record_ids, records))
