"""The model card: README.md of a saved model, in the form that model hubs show."""

import json
from collections.abc import Mapping
from typing import Any

from ecgpipe.artifacts.model_folder import SavedModel

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
        "## Input": _input(saved),
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


def _input(saved: SavedModel) -> str:
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
    if initial := training["recipe"].get("initial"):
        start = f"the weights of the training {initial}"
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
