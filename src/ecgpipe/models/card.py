"""Save the model of a run as a folder (artifacts.model_folder) with a model card (README.md) as on model hubs."""

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
from ecgpipe.models.factory import OURS, load_trained, timm_arguments
from ecgpipe.models.ood import fit_ood

SUMMARY_KEYS = (
    "epochs", "best_epoch", "best_validation_loss", "stopped_early", "seconds", "precision", "device", "parameters",
)  # fmt: skip


def save_model(run_folder: Path | str, folder: Path | str | None = None, *, threads: int | None = None) -> Path:
    """Write the model folder of a trained run; scores, thresholds and calibration are added if it is evaluated.

    To fit its out-of-distribution score, the model runs on training and validation images, if they still exist.

    Args:
        run_folder: contains run.json, run_index.npz, weights.safetensors and train.json.
        folder: target; None: ``model`` in the run's folder.
        threads: CPU threads.

    Returns:
        The folder.

    Raises:
        DataError: the run is not trained, a file cannot be read, or the target contains something else.
    """
    run_folder = Path(run_folder)
    folder = Path(folder) if folder is not None else run_folder / MODEL_FOLDER
    filled = folder.is_dir() and any(folder.iterdir())
    if filled and (not (folder / WEIGHTS_FILE).exists() or folder.samefile(run_folder)):
        raise DataError(f"{folder}: contains other files than a saved model; give a new or empty folder")
    run, index = RunConfig.read(run_folder), RunIndex.read(run_folder)
    if not all((run_folder / name).is_file() for name in (SUMMARY_FILE, WEIGHTS_FILE)):
        raise DataError(f"{run_folder}: not trained yet ({SUMMARY_FILE} or {WEIGHTS_FILE} is missing)")
    summary = read_json(run_folder / SUMMARY_FILE)
    metrics = read_json(run_folder / METRICS_FILE) if (run_folder / METRICS_FILE).exists() else None
    if threads:
        torch.set_num_threads(threads)
    detector = fit_ood(load_trained(run_folder)[0], run_folder, run, index)
    saved = SavedModel(
        variant=run.variant,
        architecture=_architecture(run),
        model=run.model.model_copy(update={"pretrained": False, "weights": None, "weights_sha256": None}),
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
            "records": {role: len(index.records(role)) for role in ROLES},
            "classes": _class_counts(run, index),
            "pretrained": run.model.pretrained,
            "recipe": run.train.model_dump(mode="json"),
            "course": {key: summary.get(key) for key in SUMMARY_KEYS},
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
        (folder / METRICS_FILE).unlink(missing_ok=True)  # of earlier weights
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
    name, arguments = timm_arguments(
        run.variant, len(run.classes), run.model.in_chans, run.model.image_size, **run.model.options
    )
    library = "ecgpipe.models" if name in OURS else "timm"
    return {"library": library, "name": name, "arguments": arguments}


def _input_spec(run: RunConfig) -> dict[str, Any]:
    size = run.model.image_size
    return {
        "shape": ["batch", run.model.in_chans, size, size],
        "dtype": "float32",
        "values": "0 is paper, 1 is ink; binary images, grey after scaling down; no normalisation",
        "channels": "all the same image" if run.model.in_chans > 1 else "one",
        "stored_size": run.preprocess.size if run.preprocess else None,
        "scaling": "smaller than stored: mean over areas; larger: bilinear",
    }


def _calibration(metrics: dict[str, Any] | None) -> Calibration | None:
    fitted = (metrics or {}).get("recalibration")
    return fitted and Calibration(**{name: fitted[name] for name in Calibration.model_fields})


def _class_counts(run: RunConfig, index: RunIndex) -> dict[str, dict[str, int]]:
    counts = {role: index.targets[index.records(role)].sum(axis=0, dtype=np.int64).tolist() for role in ROLES}
    return {role: dict(zip(run.classes, of_role, strict=True)) for role, of_role in counts.items()}


def _link(source: Path, target: Path) -> None:
    """Hard-link a file, since weights are large; copy it if the file system has no hard links."""
    with atomic_path(target) as partial:
        partial.unlink()
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


LIMITS = """\
For research only. This model is not a medical device and is not validated for patient care. It always gives
probabilities for the classes below, even for a page of another layout, a finding that is not in the list, or an image
that is not an ECG. The scores apply to records like those of the dataset and split named below. If duplicates, or
records of one patient, are on both sides of the split (see the audit in the report), the scores are too high for new
patients."""

FILES = """\
| file | content |
| --- | --- |
| `weights.safetensors` | parameters and buffers by their PyTorch names |
| `config.json` | architecture, classes, input, preprocessing, drawing, training, thresholds, calibration |
| `ood.safetensors` | means and covariances of training images, for the out-of-distribution score |
| `metrics.json` | all scores with confidence intervals, if the model is evaluated |"""

HEADLINES = ("accuracy", "auc_macro", "f1_macro", "specificity_macro", "recall_macro", "precision_macro")


def card_text(saved: SavedModel, metrics: Mapping[str, Any] | None) -> str:
    """Return the model card: Markdown with a YAML head.

    Args:
        saved: content of config.json.
        metrics: content of metrics.json; None if the model is not evaluated.
    """
    versions = saved.training["versions"] or {}
    name = _name(saved)
    sections = {
        f"# {name}": f"Image classifier for 12-lead ECG pages, trained with ecgpipe {versions.get('ecgpipe', '')}.",
        "## Uses and limits": LIMITS,
        "## Outputs": _outputs(saved),
        "## Input": _input_section(saved),
        "## Training": _training(saved),
        "## Scores": _scores(metrics),
        "## Calibration and out-of-distribution score": _calibration_section(saved),
        "## Loading": _loading(saved),
        "## Files": FILES,
    }
    return _head(saved, metrics) + "\n" + "\n\n".join(f"{title}\n\n{text}" for title, text in sections.items()) + "\n"


def _name(saved: SavedModel) -> str:
    return f"{saved.variant} on {saved.training['dataset']}, protocol {saved.training['protocol']}"


def _head(saved: SavedModel, metrics: Mapping[str, Any] | None) -> str:
    """Return the YAML head; JSON strings are valid YAML."""
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
        "single": "softmax over the logits: exactly one class is true",
        "multilabel": "sigmoid of each logit: any number of classes is true",
    }[saved.task]
    lines = [f"{len(saved.classes)} logits; {to_probability}.", ""]
    lines += [f"{number}. {name}" for number, name in enumerate(saved.classes)]
    rows = [
        f"| {label} | {_threshold(row.get('threshold'))} | {row.get('asked_specificity')} | {row.get('chosen_on')} |"
        for label, table in (saved.thresholds or {}).items()
        for row in table
    ]
    if rows:
        lines += ["", "Thresholds of the uncalibrated probability, each chosen for a specificity:", ""]
        lines += ["| class | threshold | target specificity | chosen on |", "| --- | --- | --- | --- |", *rows]
    return "\n".join(lines)


def _threshold(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.4g}"


def _input_section(saved: SavedModel) -> str:
    known = saved.input
    shape = ", ".join(map(str, known["shape"]))
    lines = [
        f"{known['dtype']}, ({shape}): batch, channels, height, width. {known['values']}. "
        f"Channels: {known['channels']}. {known['scaling']}.",
        "",
    ]
    if saved.preprocessing is None:
        return "\n".join([*lines, "The preprocessing of this run is not recorded."])
    lines += ["Settings of `ecgpipe preprocess`, which converts pages to images:", ""]
    return "\n".join([*lines, *_json_block(saved.preprocessing.model_dump(mode="json"))])


def _training(saved: SavedModel) -> str:
    training, course = saved.training, saved.training["course"]
    start = "ImageNet weights in the backbone" if training["pretrained"] else "random weights"
    if init_from := training["recipe"].get("init_from"):
        start = f"the weights of the run {init_from}"
    if first := training["recipe"].get("continue_from"):
        start = f"the end of the run with the recipe {first}"
    lines = [
        f"Dataset {training['dataset']}, split {training['protocol']}, label policy {training['label_policy']}, "
        f"seed {training['seed']}. Start: {start}. Weights: from epoch {course['best_epoch']} of "
        f"{course['epochs']}, with the lowest validation loss ({course['best_validation_loss']:.4f}). "
        f"{course['device']}, {course['precision']}, {course['seconds']:.0f} s.",
        "",
        f"| records | all | {' | '.join(saved.classes)} |",
        f"| --- | ---: |{' ---: |' * len(saved.classes)}",
    ]
    for role, counts in training["classes"].items():
        lines.append(f"| {role} | {training['records'][role]} | {' | '.join(str(n) for n in counts.values())} |")
    return "\n".join([*lines, "", "Recipe:", "", *_json_block(training["recipe"])])


def _scores(metrics: Mapping[str, Any] | None) -> str:
    if not metrics:
        return "Not evaluated yet."
    optimistic = metrics["role"] == "validation"
    caution = " They also selected the weights, so the scores are slightly too high." if optimistic else ""
    lines = [
        f"{metrics['records']} {metrics['role']} records.{caution} {100 * metrics['confidence']:.4g}% confidence "
        f"intervals: bootstrap over {metrics['groups']} patients, files or records.",
        "",
        "| score | value | confidence interval |",
        "| --- | ---: | --- |",
    ]
    lines += [_row(key.replace("_", " "), score) for key, score in metrics["scores"].items()]
    lines += ["", "| class | records | AUC | confidence interval |", "| --- | ---: | ---: | --- |"]
    for label, scores in metrics["per_class"].items():
        lines.append(_row(f"{label} | {metrics['support'][label]}", scores["auc"]))
    return "\n".join(lines)


def _row(title: str, score: Mapping[str, Any]) -> str:
    value, low, high = (score.get(key) for key in ("value", "low", "high"))
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return f"| {title} | {'not defined' if value is None else format(value, '.3f')} | {interval} |"


def _calibration_section(saved: SavedModel) -> str:
    lines = ["The probabilities are not calibrated."]
    if fitted := saved.calibration:
        how = {
            "temperature": f"divide the logits by {1 / fitted.scale[0]:.3g}",
            "platt": "scale and shift the logit of each class",
        }
        lines = [
            f"For calibrated probabilities, {how[fitted.method]} (`calibration` in config.json; fitted on "
            f"{fitted.records} records: {fitted.fitted_on})."
        ]
        if fitted.left_out:
            lines.append(f"Not calibrated, because none or all of these records have it: {', '.join(fitted.left_out)}.")
    if saved.ood is None:
        return " ".join([*lines, "No out-of-distribution score available."])
    lines.append(
        f"An image is reported as unusual if its distance from {saved.ood.training_images} training images exceeds "
        f"that of {saved.ood.quantile:.0%} of {saved.ood.validation_images} validation images (`ecgpipe predict`)."
    )
    return " ".join(lines)


def _loading(saved: SavedModel) -> str:
    architecture, plugin = saved.architecture, saved.model.plugin
    arguments = ", ".join(f"{key}={value!r}" for key, value in architecture["arguments"].items())
    title, register, consent, option = "timm alone", "", "", ""
    if plugin is not None:  # load_model requires it, whatever the architecture
        consent, option = f", plugin={json.dumps(plugin)}", f" --plugin {plugin}"
    if architecture["library"] != "timm":
        title = "timm's registry (the architecture is part of ecgpipe)"
        register = "import ecgpipe.models  # registers the architecture\n"
    elif plugin is not None:
        title = f"timm's registry (`{plugin}` defines the architecture)"
        register = f"import {Path(plugin).stem}  # registers the architecture\n"
    return f"""\
With ecgpipe:

```python
from ecgpipe.models import load_model

model, config = load_model("FOLDER"{consent})
```

With {title}:

```python
{register}import timm
from safetensors.torch import load_file

model = timm.create_model("{architecture["name"]}", {arguments})
model.load_state_dict(load_file("FOLDER/weights.safetensors"))
```

For photos, scans, PDF pages and records: `ecgpipe predict FOLDER FILE...{option}`.

Without PyTorch: `ecgpipe export FOLDER -o model.onnx{option}` writes an ONNX file."""


def _json_block(value: Any) -> list[str]:
    return ["```json", json.dumps(value, indent=1), "```"]
