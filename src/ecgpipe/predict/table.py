"""Predictions as a table for studies: one row per page."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecgpipe.artifacts.files import write_text
from ecgpipe.artifacts.page_names import NUMBERED
from ecgpipe.predict.explanation import explain_prediction
from ecgpipe.predict.prediction import Prediction

Row = dict[str, Any]


def table_row(prediction: Prediction, model: Mapping[str, Any]) -> Row:
    """The values of a page.

    Args:
        prediction: of the page.
        model: ``Predictor.description``.
    """
    words, read, ood = explain_prediction(prediction, model), prediction.read or {}, prediction.ood
    probabilities = dict(zip(prediction.classes, prediction.probabilities, strict=True))
    reached = {
        label: max((each.specificity for each in prediction.thresholds.get(label, ()) if each.reached), default="")
        for label in prediction.classes
    }
    return (
        {"page": 1}
        | _place(prediction.name)
        | {"kind": prediction.kind, "predicted": "; ".join(prediction.predicted)}
        | {f"probability:{label}": f"{value:.6g}" for label, value in probabilities.items()}
        | {f"reached:{label}": value for label, value in reached.items()}
        | {
            "unusual": "" if ood is None else "yes" if ood.unusual else "no",
            "how_sure": words["sure"].removeprefix("How sure: "),
            "layout": read.get("layout", ""),
            "speed_mm_per_s": _number(read.get("speed_mm_per_s")),
            "gain_mm_per_mv": _number(read.get("gain_mm_per_mv")),
            "assumed": "; ".join(read.get("assumed", ())),
            "missing": "; ".join(read.get("missing", ())),
            "notes": "; ".join(prediction.notes),
        }
    )


def write_table(file: Path, classes: Sequence[str], rows: Iterable[Row], failures: Iterable[tuple[str, str]]) -> None:
    """Write a CSV file: the rows of pages, then one row for each file or page that failed.

    Args:
        file: replaced.
        classes: of the model.
        rows: of ``table_row``.
        failures: names and errors.
    """
    columns = ["file", "page", "kind", "predicted"]
    columns += [f"{what}:{label}" for what in ("probability", "reached") for label in classes]
    columns += ["unusual", "how_sure", "layout", "speed_mm_per_s", "gain_mm_per_mv", "assumed", "missing", "notes"]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, "error"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    writer.writerows(_place(name) | {"error": error} for name, error in failures)
    write_text(file, text.getvalue().encode("utf-8", "backslashreplace").decode())  # not every file name is UTF-8


def _place(name: str) -> Row:
    numbered = NUMBERED.fullmatch(name)
    return {"file": numbered[1], "page": int(numbered[2])} if numbered else {"file": name}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
