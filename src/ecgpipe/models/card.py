"""Saving a run's model: the folder of artifacts.model_folder, made from what the run's folder holds so far.

The model card: README.md of a saved model, in the form that model hubs show.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import SUMS, atomic_path, read_json, write_sums, write_text
from ecgpipe.artifacts.model_folder import CARD_FILE, MODEL_FOLDER, OOD_FILE, Calibration, SavedModel
from ecgpipe.artifacts.runs import METRICS_FILE, SUMMARY_FILE, WEIGHTS_FILE, RunConfig, RunIndex
from ecgpipe.errors import DataError
from ecgpipe.models.factory import load_trained, timm_arguments
from ecgpipe.models.ood import fit_ood

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
        run_folder: with run.json, run_index.npz, weights.safetensors and train.json.
        folder: where to; by default ``model`` below the run's folder.
        threads: CPU threads.

    Returns:
        The folder.

    Raises:
        DataError: the run is not trained, or a file of it cannot be read.
    """
    run_folder = Path(run_folder)
    folder = Path(folder) if folder is not None else run_folder / MODEL_FOLDER
    run, items = RunConfig.read(run_folder), RunIndex.read(run_folder)
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
        input=_input_spec(run),
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
    (folder / SUMS).unlink(missing_ok=True)
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
    names = (WEIGHTS_FILE, METRICS_FILE, OOD_FILE)  # not the card and config.json, which people may edit
    write_sums(folder, [name for name in names if (folder / name).is_file()])
    return folder


def _architecture(run: RunConfig) -> dict[str, Any]:
    name, arguments = timm_arguments(run.variant, run.model.image_size, **run.model.options)
    arguments.pop("checkpoint_path", None)
    return {
        "library": "ecgpipe.models" if name.startswith("swin_lgf_fpn") else "timm",
        "name": name,
        "arguments": {"num_classes": len(run.classes), "in_chans": run.model.in_chans} | arguments,
    }


def _input_spec(run: RunConfig) -> dict[str, Any]:
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


def _class_counts(run: RunConfig, items: RunIndex) -> dict[str, dict[str, int]]:
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


LIMITS = """\
For research. It is no medical device and has not been validated for the care of any patient. It knows its classes and
nothing else: a page of another layout, a finding outside of the list, or a page that is no ECG gets probabilities all
the same. Scores hold for records like those of the data set and split named below; where the split lets copies, or
records of one patient, stand on both sides (see the report's audit), they are too high for new patients."""

FILES = """\
| file | what |
| --- | --- |
| `weights.safetensors` | parameters and buffers by their PyTorch names |
| `config.json` | architecture, classes, input, preprocessing, drawing, training, thresholds, calibration |
| `ood.safetensors` | means and covariances of training images, for a score that tells unusual ones |
| `metrics.json` | all scores with their intervals, once the model has been scored |"""

HEADLINES = ("accuracy", "auc_macro", "f1_macro", "specificity_macro", "recall_macro", "precision_macro")


def card_text(saved: SavedModel, metrics: Mapping[str, Any] | None) -> str:
    """The card, Markdown with a YAML head.

    Args:
        saved: the content of config.json.
        metrics: the content of metrics.json; None if the model has not been scored.
    """
    versions = saved.training["versions"] or {}
    name = _name(saved)
    sections = {
        f"# {name}": f"An image classifier for 12-lead ECG pages, trained with ecgpipe {versions.get('ecgpipe', '')}.",
        "## Uses and limits": LIMITS,
        "## Outputs": _outputs(saved),
        "## Input": _input_section(saved),
        "## Training": _training(saved),
        "## Scores": _scores(metrics),
        "## Calibration and unusual images": _trust(saved),
        "## Loading": _loading(saved),
        "## Files": FILES,
    }
    return _head(saved, metrics) + "\n" + "\n\n".join(f"{title}\n\n{text}" for title, text in sections.items()) + "\n"


def _name(saved: SavedModel) -> str:
    return f"{saved.variant} on {saved.training['dataset']}, protocol {saved.training['protocol']}"


def _head(saved: SavedModel, metrics: Mapping[str, Any] | None) -> str:
    """YAML; every text is written as JSON, which YAML reads."""
    lines = ["---", "library_name: pytorch", "pipeline_tag: image-classification", "tags: [ecg, ecgpipe, timm]"]
    if metrics:
        lines += [
            "model-index:",
            f"- name: {json.dumps(_name(saved))}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {json.dumps(saved.training['dataset'])}, type: {json.dumps('ecg')}}}",
            "    metrics:",
        ]
        lines += [
            f"    - {{type: {key}, value: {score['value']}}}"
            for key, score in metrics["scores"].items()
            if key in HEADLINES and score["value"] is not None
        ]
    return "\n".join([*lines, "---", ""])


def _outputs(saved: SavedModel) -> str:
    to_probability = {
        "single": "softmax over the logits: exactly one class holds",
        "multilabel": "a sigmoid for each logit: any number of classes holds",
    }[saved.task]
    lines = [f"{len(saved.classes)} logits; {to_probability}.", ""]
    lines += [f"{number}. {name}" for number, name in enumerate(saved.classes)]
    rows = [
        f"| {label} | {_threshold(row.get('threshold'))} | {row.get('asked_specificity')} | {row.get('chosen_on')} |"
        for label, table in (saved.thresholds or {}).items()
        for row in table
    ]
    if rows:
        lines += ["", "Probabilities from which a class counts as called:", ""]
        lines += ["| class | threshold | for a specificity of | chosen on |", "| --- | --- | --- | --- |", *rows]
    return "\n".join(lines)


def _threshold(value: float | None) -> str:
    return "none reaches it" if value is None else f"{value:.4g}"


def _input_section(saved: SavedModel) -> str:
    known = saved.input
    shape = ", ".join(map(str, known["shape"]))
    lines = [
        f"{known['dtype']}, ({shape}): batch, channels, height, width. {known['values']}. "
        f"Channels: {known['channels']}. {known['scaling']}.",
        "",
    ]
    if saved.preprocessing is None:
        return "\n".join([*lines, "How pages became images is not recorded in this run."])
    lines += ["Pages become images by `ecgpipe preprocess` with these settings:", ""]
    return "\n".join([*lines, *_json_block(saved.preprocessing.model_dump(mode="json"))])


def _training(saved: SavedModel) -> str:
    training, course = saved.training, saved.training["course"]
    start = "ImageNet weights in the backbone" if training["pretrained"] else "random weights"
    if init_from := training["recipe"].get("init_from"):
        start = f"the weights of the training {init_from}"
    lines = [
        f"Data set {training['dataset']}, split {training['protocol']}, label policy {training['label_policy']}, "
        f"seed {training['seed']}; from {start}. Weights of epoch {course['best_epoch']} of {course['epochs']}, the "
        f"one with the lowest validation loss ({course['best_validation_loss']:.4f}). {course['device']}, "
        f"{course['precision']}, {course['seconds']:.0f} s.",
        "",
        f"| records | all | {' | '.join(saved.classes)} |",
        f"| --- | ---: |{' ---: |' * len(saved.classes)}",
    ]
    for role, counts in training["classes"].items():
        lines.append(f"| {role} | {training['records'][role]} | {' | '.join(str(n) for n in counts.values())} |")
    return "\n".join([*lines, "", "Recipe:", "", *_json_block(training["recipe"])])


def _scores(metrics: Mapping[str, Any] | None) -> str:
    if not metrics:
        return "Not scored yet."
    lines = [
        f"{metrics['records']} {metrics['role']} records{_caution(metrics['role'])}. "
        f"Intervals: {metrics['confidence']:.0%}, by resampling {metrics['groups']} patients, files or records.",
        "",
        "| score | value | interval |",
        "| --- | ---: | --- |",
    ]
    lines += [_row(key.replace("_", " "), score) for key, score in metrics["scores"].items()]
    lines += ["", "| class | records | AUC | interval |", "| --- | ---: | ---: | --- |"]
    for label, scores in metrics["per_class"].items():
        lines.append(_row(f"{label} | {metrics['support'][label]}", scores["auc"]))
    return "\n".join(lines)


def _trust(saved: SavedModel) -> str:
    if saved.calibration is None:
        lines = ["No calibration is stored: probabilities are as they come, and may promise too much or too little."]
    else:
        fitted = saved.calibration
        how = {
            "temperature": f"logits are divided by {1 / fitted.scale[0]:.3g}",
            "platt": "each class's logit is scaled and shifted",
        }
        lines = [
            f"For calibrated probabilities {how[fitted.method]} (`calibration` in config.json), fitted on "
            f"{fitted.records} records ({fitted.fitted_on})."
        ]
        if fitted.left_out:
            lines.append(f"Not calibrated, since none or all of those records have it: {', '.join(fitted.left_out)}.")
    if saved.ood is None:
        return " ".join([*lines, "No out-of-distribution statistics are stored."])
    lines.append(
        f"An image is called unusual where it is farther from {saved.ood.training_images} training images than "
        f"{saved.ood.quantile:.0%} of {saved.ood.validation_images} validation images are (`ecgpipe predict`)."
    )
    return " ".join(lines)


def _caution(role: str) -> str:
    return (
        ", the very ones that training was stopped by, so the scores are a little too high"
        if role == "validation"
        else ""
    )


def _row(title: str, score: Mapping[str, Any]) -> str:
    value, low, high = (score.get(key) for key in ("value", "low", "high"))
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return f"| {title} | {'not measurable' if value is None else format(value, '.3f')} | {interval} |"


def _loading(saved: SavedModel) -> str:
    architecture = saved.architecture
    arguments = ", ".join(f"{key}={value!r}" for key, value in architecture["arguments"].items())
    own = architecture["library"] != "timm"
    lines = [
        "With ecgpipe:",
        "",
        "```python",
        "from ecgpipe.models import load_model",
        "",
        'model, config = load_model("FOLDER")',
        "```",
        "",
        "With timm alone:" if not own else "With timm's registry (the architecture is part of ecgpipe):",
        "",
        "```python",
        *(["import ecgpipe.models  # registers the architecture"] if own else []),
        "import timm",
        "from safetensors.torch import load_file",
        "",
        f'model = timm.create_model("{architecture["name"]}", {arguments})',
        'model.load_state_dict(load_file("FOLDER/weights.safetensors"))',
        "```",
        "",
        "On photos, scans, PDF pages and records: `ecgpipe predict FOLDER FILE...`.",
        "",
        "Without PyTorch: `ecgpipe export FOLDER -o model.onnx` writes an ONNX file.",
    ]
    return "\n".join(lines)


def _json_block(value: Any) -> list[str]:
    return ["```json", json.dumps(value, indent=1), "```"]
