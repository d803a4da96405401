"""Saving a run's model: the folder of artifacts.model_folder, made from what the run's folder holds so far."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpipe.artifacts.atomic import atomic_path, read_json, write_text
from ecgpipe.artifacts.model_folder import CARD_FILE, MODEL_FOLDER, OOD_FILE, SavedModel
from ecgpipe.artifacts.probabilities import Calibration
from ecgpipe.artifacts.roles import ROLES
from ecgpipe.artifacts.runs import METRICS_FILE, SUMMARY_FILE, WEIGHTS_FILE, Items, RunConfig
from ecgpipe.errors import DataError
from ecgpipe.models.card_text import card_text
from ecgpipe.models.factory import timm_arguments
from ecgpipe.models.ood import fit_ood
from ecgpipe.models.stored import load_trained

COURSE = (
    "epochs",
    "best_epoch",
    "best_validation_loss",
    "stopped_early",
    "seconds",
    "precision",
    "device",
    "parameters",
)


def save_model(run_folder: Path | str, folder: Path | str | None = None, *, threads: int | None = None) -> Path:
    """Write the model folder of a trained run; metrics, thresholds and calibration are in it if it has been scored.

    The model runs over training and validation images, where they still are, for its out-of-distribution score.

    Args:
        run_folder: with run.json, items.npz, weights.safetensors and train.json.
        folder: where to; by default ``model`` below the run's folder.
        threads: CPU threads.

    Returns:
        The folder.

    Raises:
        DataError: the run is not trained, or a file of it cannot be read.
    """
    run_folder = Path(run_folder)
    folder = Path(folder) if folder is not None else run_folder / MODEL_FOLDER
    run, items = RunConfig.read(run_folder), Items.read(run_folder)
    summary = _read_json(run_folder / SUMMARY_FILE)
    if summary is None or not (run_folder / WEIGHTS_FILE).is_file():
        raise DataError(f"{run_folder}: not trained yet ({SUMMARY_FILE} or {WEIGHTS_FILE} is missing)")
    metrics = _read_json(run_folder / METRICS_FILE)
    if threads:
        torch.set_num_threads(threads)
    detector = fit_ood(load_trained(run_folder)[0], run_folder, run, items)
    saved = SavedModel(
        variant=run.variant,
        architecture=_architecture(run),
        model=run.model.model_copy(update={"pretrained": False}),
        classes=run.classes,
        task=run.task,
        input=_input(run),
        preprocessing=run.preprocess,
        drawing=run.drawing,
        training={
            "dataset": run.dataset,
            "protocol": run.protocol,
            "label_policy": run.policy,
            "seed": run.seed,
            "records": {role: len(items.records(role)) for role in ROLES},
            "classes": _class_counts(run, items),
            "pretrained": run.model.pretrained,
            "recipe": run.train.model_dump(mode="json"),
            "course": {key: summary.get(key) for key in COURSE},
            "code": summary.get("code"),
            "versions": summary.get("versions"),
        },
        thresholds=(metrics or {}).get("thresholds"),
        calibration=_calibration(metrics),
        ood=detector.limits if detector is not None else None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    _link(run_folder / WEIGHTS_FILE, folder / WEIGHTS_FILE)
    if metrics is not None:
        _link(run_folder / METRICS_FILE, folder / METRICS_FILE)
    else:
        (folder / METRICS_FILE).unlink(missing_ok=True)  # of the weights before
    if detector is not None:
        detector.write(folder)
    else:
        (folder / OOD_FILE).unlink(missing_ok=True)
    write_text(folder / CARD_FILE, card_text(saved, metrics))
    saved.write(folder)
    return folder


def _architecture(run: RunConfig) -> dict[str, Any]:
    name, arguments = timm_arguments(run.variant, run.model.image_size, **run.model.options)
    arguments.pop("checkpoint_path", None)
    return {
        "library": "ecgpipe.models" if name.startswith("swin_lgf_fpn") else "timm",
        "name": name,
        "arguments": {"num_classes": len(run.classes), "in_chans": run.model.in_chans} | arguments,
    }


def _input(run: RunConfig) -> dict[str, Any]:
    size = run.model.image_size
    return {
        "shape": ["batch", run.model.in_chans, size, size],
        "dtype": "float32",
        "values": "0 is paper, 1 is ink; binary images, grey where scaled down; no mean or deviation is taken off",
        "channels": "all the same image" if run.model.in_chans > 1 else "one",
        "stored_size": run.preprocess.size if run.preprocess else None,
        "scaling": "Preprocessed images of another size are scaled by the mean over areas (bilinear to enlarge)",
    }


def _calibration(metrics: dict[str, Any] | None) -> Calibration | None:
    """Of the evaluation; None before it, or by an evaluation that did not fit one yet."""
    fitted = (metrics or {}).get("recalibration")
    return fitted and Calibration(**{name: fitted[name] for name in Calibration.model_fields})


def _class_counts(run: RunConfig, items: Items) -> dict[str, dict[str, int]]:
    counts = {role: items.targets[items.records(role)].sum(axis=0, dtype=np.int64).tolist() for role in ROLES}
    return {role: dict(zip(run.classes, of_role, strict=True)) for role, of_role in counts.items()}


def _read_json(path: Path) -> dict | None:
    return read_json(path) if path.exists() else None


def _link(source: Path, target: Path) -> None:
    """A second name of the same file, since weights are large; a copy where the file system has no such thing."""
    with atomic_path(target) as partial:
        partial.unlink()
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
