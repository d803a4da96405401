"""The model card (README.md) of a signal model."""

import json
from collections.abc import Mapping
from typing import Any

from ecgpipe.artifacts.recording_model import RecordingModel

HEAD = """\
---
license: cc-by-4.0
library_name: pytorch
tags: [ecg, ecgpipe]
---
"""

INTENDED = """\
The model takes a page of a 12-lead ECG, as a photo, scan, PDF page or record, and gives the probabilities of the five
diagnostic superclasses of PTB-XL: NORM (normal), MI (myocardial infarction), STTC (ST/T change), CD (conduction
disturbance), HYP (hypertrophy). Several can be true at once.

**For research only; this is not a diagnosis.** The model is not a medical device and is not validated for patient care.
It knows only its five classes: rhythms, pacemakers, electrolytes and all other findings do not appear in its answer. It
learned from one German dataset of 1989 to 1996; other devices, hospitals and patients may differ."""

DESIGN = """\
The page reader of the package finds the traces, names the leads and measures them in millivolts. The networks see 12
leads at 100 Hz in windows of 2.5 s, each lead at the time at which the page shows it, and a mask of the known samples.
So the layout of the page does not matter, and leads may be missing. The logits of {members} networks of {parameters}
parameters each are averaged."""

DATA = """\
PTB-XL 1.0.3, CC BY 4.0: Wagner P, Strodthoff N, Bousseljot R, Samek W, Schaeffter T. PTB-XL, a large publicly available
electrocardiography dataset. PhysioNet, 2022, doi:10.13026/kfzx-aw45. {train} records of folds 1 to 8 for training,
{validation} of fold 9 for every choice, the calibration, the thresholds and the limit of unusual pages, and {test} of
fold 10 for the scores alone. The records are a subset of PTB-XL; more data would give a better model. The diagnostic
statements of the records were further targets during the training.{first}"""

SCORES = """\
Macro AUC on records of fold 10, with {confidence:.4g}% intervals (bootstrap over patients). `recording`: the record
itself, 10 s of all leads. All others are pages that were drawn, degraded, read and digitized: layout and degradation.
The difference is from `kit/none` on the same records. Calibration error: the mean over classes of the expected
calibration error in ten bins, after calibration. A sample of few records raises it, so in brackets is the error that a
perfectly calibrated model has on as many records with these probabilities: the mean of simulations, and what
{confidence:.4g}% of them stay below. Refused pages have no prediction.

| pages | records | refused | macro AUC | difference from kit/none | calibration error (perfect model) | unusual |
| --- | ---: | ---: | --- | --- | ---: | ---: |
{rows}

`kit/none` minus the signal reference, a network on the whole recordings (trained on the same records): {reference}.

| class | AUC, kit/none | records with it |
| --- | --- | ---: |
{classes}"""

LIMITS = """\
- A prediction is only as good as the digitized page: the card of the page reader states how often it loses leads.
- A wrong speed or gain leads to wrong intervals and voltages. The gain comes from the calibration pulses or the print,
  else it is 10 mm/mV. The speed comes from the print, else it is 25 mm/s, or 50 mm/s if the waves look like it: slow
  beats with broad complexes. The answer says what was assumed; compare it with the page.
- The calibration holds for patients like those of PTB-XL, with the same frequency of each class.
- A page is unusual if its features are farther from the training records than those of {quantile:.0%} of the validation
  pages. A usual page can be predicted wrongly."""


def card_text(saved: RecordingModel, metrics: Mapping[str, Any]) -> str:
    """The model card: Markdown with a YAML head.

    Args:
        saved: content of config.json.
        metrics: content of metrics.json.
    """
    records = saved.training["records"]
    pretrained_on = saved.training["recipe"].get("pretrain_on")
    first = f" The networks were first trained on {pretrained_on} records." if pretrained_on is not None else ""
    reference = metrics["differences"]["signal reference"]
    plain = metrics["looks"]["kit/none"]
    sections = {
        "# The built-in model of ecgpipe": INTENDED,
        "## How it works": DESIGN.format(members=saved.members, parameters=_parameters(saved)),
        "## Data": DATA.format(**records, first=first),
        "## Scores": SCORES.format(
            confidence=100 * metrics["confidence"],
            rows="\n".join(_row(look, scores, metrics["differences"]) for look, scores in metrics["looks"].items()),
            reference=f"{_interval(reference, signed=True)}, {reference['records']} records",
            classes="\n".join(
                f"| {label} | {_interval(scores['auc'])} | {plain['support'][label]} |"
                for label, scores in plain["per_class"].items()
            ),
        ),
        "## Limits": LIMITS.format(quantile=saved.ood.quantile if saved.ood else 0.99),
        "## Reproduce": f"`{saved.training['command']}` with PTB-XL; recipe:\n\n```json\n"
        f"{json.dumps(saved.training['recipe'], indent=1)}\n```",
        "## Licence": "CC BY 4.0, as the data it was trained on; cite PTB-XL (above).",
    }
    return HEAD + "\n" + "\n\n".join(f"{title}\n\n{text}" for title, text in sections.items()) + "\n"


def _parameters(saved: RecordingModel) -> str:
    from ecgpipe.models.recordings import LEADS, ResNet1d

    net = ResNet1d(len(saved.classes), 2 * LEADS, saved.width)
    return f"{sum(parameter.numel() for parameter in net.parameters()) / 1e6:.1f} million"


def _row(look: str, scores: Mapping[str, Any], differences: Mapping[str, Any]) -> str:
    difference = _interval(differences[look], signed=True) if look in differences else ""
    error = scores["calibration_error"]
    perfect = error["calibrated_model"]
    unusual = f"{scores['unusual']:.1%}"
    return (
        f"| {look} | {scores['records']} | {scores['refused']} | {_interval(scores['scores']['auc_macro'])} | "
        f"{difference} | {error['after']:.3f} ({perfect['mean']:.3f}; {perfect['high']:.3f}) | {unusual} |"
    )


def _interval(score: Mapping[str, Any], signed: bool = False) -> str:
    sign = "+" if signed else ""
    value, low, high = (score[key] for key in ("value", "low", "high"))
    ends = "" if low is None else f" ({low:{sign}.3f} to {high:{sign}.3f})"
    return f"{value:{sign}.3f}{ends}"
