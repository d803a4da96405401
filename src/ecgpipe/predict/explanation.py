"""A prediction in plain words, the same on the web page and in the report."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecgpipe.artifacts.model_folder import PREDICTED, WHY_PREDICTED
from ecgpipe.models.recordings import MOST_MISSING
from ecgpipe.predict.prediction import OodScore, Prediction
from ecgpipe.report.names import class_names

ARRANGEMENT = re.compile(r"(\d+)x(\d+)( Cabrera)?(?:\+(\d+))?")
"""Names of common layouts: rows, columns, and rhythm strips below."""
ALL_LEADS = 12
SERIOUS = (
    "contradict each other",
    "few lead names were read, or few fit",
    "of the lead names that were read do not fit the layout",
    "no lead name that was read there fits",
    "most lead names appear twice",
    "the scale of the page may be wrong",
)
"""Parts of the reader's notes on pages that may be misread (``reader.page``, ``limb_leads``, ``digitize``)."""
MISSING = "missing: "
"""Start of the note that repeats the missing leads."""


def explain_prediction(prediction: Prediction, model: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction in sentences and words; values for JSON.

    Args:
        prediction: of a page.
        model: ``Predictor.description``.

    Returns:
        ``summary`` and ``sure``, sentences; ``unusual``, a sentence or null; ``classes``, most probable first, each
        with ``label``, ``meaning`` (or null), ``probability`` and ``result``; ``thresholds``, a sentence or null;
        ``read``, pairs of a term and its value in words, empty for an image model; ``notes``, serious ones first,
        without the missing leads if ``read`` has them.
    """
    meanings = class_names(model["trained_on"]["dataset"] or "", prediction.classes)
    order = (-prediction.probabilities).argsort(kind="stable")
    return {
        "summary": _summary(prediction, meanings),
        "sure": _sure(prediction, model["calibration"]),
        "unusual": _unusual(prediction.ood) if prediction.ood is not None and prediction.ood.unusual else None,
        "classes": [
            {
                "label": prediction.classes[at],
                "meaning": meanings.get(prediction.classes[at]),
                "probability": float(prediction.probabilities[at]),
                "result": _result(prediction, prediction.classes[at]),
            }
            for at in order
        ],
        "thresholds": _thresholds(prediction),
        "read": [] if prediction.read is None else read_in_words(prediction.read),
        "notes": _notes(prediction),
    }


def is_serious(note: str) -> bool:
    """Whether a note says that the page may be misread as a whole."""
    return any(part in note for part in SERIOUS)


def _notes(prediction: Prediction) -> list[str]:
    said = prediction.read is not None
    notes = [note for note in prediction.notes if not (said and note.startswith(MISSING))]
    return sorted(notes, key=lambda note: not is_serious(note))


def _summary(prediction: Prediction, meanings: Mapping[str, str]) -> str:
    probability = dict(zip(prediction.classes, prediction.probabilities, strict=True))

    def named(label: str) -> str:
        meaning = f" ({meanings[label]})" if label in meanings else ""
        below = "just below " if PREDICTED - 0.005 <= probability[label] < PREDICTED else ""  # rounded to it
        return f"{label}{meaning}, {below}{probability[label]:.0%}"

    others = sorted(set(prediction.predicted) - {prediction.top}, key=lambda label: -probability[label])
    text = f"Most probable: {named(prediction.top)}."
    if others:
        return f"{text} Also {PREDICTED:.0%} or more: {'; '.join(map(named, others))}."
    return text if prediction.predicted else f"{text} No class reaches {PREDICTED:.0%}."


def _sure(prediction: Prediction, calibration: Mapping[str, Any] | None) -> str:
    """Explain the largest probability."""
    if calibration is None or prediction.top in calibration["left_out"]:
        what = "model" if calibration is None else f"class {prediction.top}"
        return f"How sure: unknown. The {what} is not calibrated; its probabilities may be too high or too low."
    if prediction.ood is not None and prediction.ood.unusual:
        return "How sure: unknown, since the page is unusual."
    if any(map(is_serious, prediction.notes)):
        return "How sure: unknown, since the page may be misread."
    missing = 0 if prediction.read is None else len(prediction.read["missing"])
    if missing > MOST_MISSING:
        return (
            f"How sure: unknown, since only {ALL_LEADS - missing} of {ALL_LEADS} leads were read; the model learned "
            f"from at least {ALL_LEADS - MOST_MISSING}."
        )
    share = 100 * float(prediction.probabilities.max())
    count = "fewer than 1" if share < 0.5 else "more than 99" if share > 99.5 else f"about {share:.0f}"
    kind = "validation" if calibration["fitted_on"] == "validation" else "scored"
    return (
        f"How sure: among records like the {calibration['records']:,} {kind} records used for calibration, {count} of "
        f"100 with this probability have {prediction.top}."
    )


def _unusual(ood: OodScore) -> str:
    limit = f"(score {ood.score:.2f}, limit 1)"
    if ood.ink is None:
        return (
            f"Unusual: this page differs from the training records {limit}. Compare the digitized leads with the page. "
            "Do not rely on the probabilities."
        )
    return (
        f"Unusual: this image differs from the training images {limit}. Is it a whole, upright ECG page in a layout "
        "that the model learned? Do not rely on the probabilities."
    )


def _result(prediction: Prediction, label: str) -> str:
    marks = [WHY_PREDICTED[prediction.task]] if label in prediction.predicted else []
    reached = [each.specificity for each in prediction.thresholds.get(label, ()) if each.reached]
    if reached:
        marks.append(f"above the threshold of {_percent(max(reached))} specificity")
    return "; ".join(marks)


def _thresholds(prediction: Prediction) -> str | None:
    """Explain the thresholds."""
    rows = [each for rows in prediction.thresholds.values() for each in rows]
    if not rows:
        return None
    shares = list(map(_percent, sorted({each.specificity for each in rows})))
    example = shares[-1]
    kind = "validation" if rows[0].chosen_on == "validation" else "scored"
    return (
        f"Each class has its own thresholds ({', '.join(shares)}). Of the {kind} records without the class, {example} "
        f"are below its threshold of {example} specificity."
    )


def _percent(share: float) -> str:
    """A share such as 0.975, unrounded."""
    return f"{100 * share:g}%"


def read_in_words(read: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The values read from a page: terms, and values in words."""
    missing: Sequence[str] = read["missing"]
    leads = f"{ALL_LEADS - len(missing)} of {ALL_LEADS}; missing: {', '.join(missing)}" if missing else "all 12"
    rows = [("Layout", layout_in_words(str(read["layout"])))]
    if read["speed_mm_per_s"] is not None:
        rows.append(("Paper speed", f"{read['speed_mm_per_s']:.0f} mm/s"))
        rows.append(("Gain", f"{read['gain_mm_per_mv']:g} mm/mV"))
    return [*rows, ("Leads", leads)]


def layout_in_words(layout: str) -> str:
    """A layout such as 3x4+1 in words; other names are unchanged."""
    found = ARRANGEMENT.fullmatch(layout)
    if found is None:
        return layout
    rows, columns, cabrera, strips = found.groups()
    parts = [_counted(int(rows), "row"), "of", _counted(int(columns), "lead")]
    if cabrera:
        parts.append("in the Cabrera sequence")
    if strips:
        parts.append(f"and {_counted(int(strips), 'rhythm strip')}")
    return " ".join(parts)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
