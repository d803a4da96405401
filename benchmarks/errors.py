"""Where a model fails: what it finds of each statement, beside another model; and the pages that it gets most wrong.

    python benchmarks/errors.py PTBXL_DIR RESULTS/ptb-xl/folds MODEL REFERENCE OUTPUT_DIR [--seed 0] [--pages 3]

e.g. MODEL ``resnet18+both``, REFERENCE ``baseline-signal``. Each calls a class where its probability reaches the
threshold that leaves a specificity of 0.9 on the validation records. Writes

- ``statements.csv``: for each statement that at least 10 test records carry how many, and the share of them whose class
  each of the two calls;
- ``missed.png`` and ``alarms.png``: a row of pages for each class, those with the class to which the model gives the
  least probability, and those without it to which it gives the most;
- ``pages.csv``: what these pages carry.

For multi-label runs on PTB-XL's superclasses.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from ecgpipe.acquire.labels import read_grouping
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page

SPECIFICITY = 0.9
LEAST = 10
WIDTH = 800


def thresholds(predictions: Predictions) -> np.ndarray:
    """(classes,) probabilities that so many of the validation records without the class stay below."""
    validation = predictions.of_role("validation")
    return np.array([
        np.quantile(p[t == 0], SPECIFICITY)
        for p, t in zip(validation.probabilities.T, validation.targets.T, strict=True)
    ])  # fmt: skip


def found_of_statements(
    model: Predictions, reference: Predictions, carried: list[dict], class_of: dict
) -> pd.DataFrame:
    """A row for each statement that enough test records carry."""
    tests = [p.of_role("test") for p in (model, reference)]
    called = [test.probabilities >= thresholds(p) for test, p in zip(tests, (model, reference), strict=True)]
    rows = []
    for statement, name in class_of.items():
        number = model.classes.index(name)
        with_it = np.array([statement in statements for statements in carried]) & (tests[0].targets[:, number] == 1)
        if with_it.sum() >= LEAST:
            shares = [calls[with_it, number].mean() for calls in called]
            rows.append([name, statement, int(with_it.sum()), *np.round(shares, 3)])
    table = pd.DataFrame(rows, columns=["class", "statement", "test_records", "found", "found_by_reference"])
    order = table["class"].map(model.classes.index)
    return (
        table.assign(order=order).sort_values(["order", "test_records"], ascending=[True, False]).drop(columns="order")
    )


def worst(test: Predictions, count: int, missed: bool) -> dict[str, np.ndarray]:
    """Class -> the records that are furthest from the truth, worst first."""
    chosen = {}
    for number, name in enumerate(test.classes):
        candidates = np.flatnonzero(test.targets[:, number] == missed)
        order = np.argsort(test.probabilities[candidates, number], kind="stable")
        chosen[name] = candidates[order if missed else order[::-1]][:count]
    return chosen


def sheet(ptbxl: Path, records: pd.DataFrame, chosen: dict[str, np.ndarray]) -> np.ndarray:
    """Their pages, a row of them for each class."""
    rows = []
    for positions in chosen.values():
        pages = []
        for row in records.iloc[positions].itertuples():
            signal, rate = read_signal(ptbxl / row.path, row.record_id)
            page = cv2.cvtColor(render_page(signal, rate, RenderConfig(dpi=100)).image, cv2.COLOR_RGB2BGR)
            pages.append(
                cv2.resize(page, (WIDTH, WIDTH * page.shape[0] // page.shape[1]), interpolation=cv2.INTER_AREA)
            )
        rows.append(np.concatenate(pages, axis=1))
    return np.concatenate(rows)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("reference")
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, default=3)
    given = parser.parse_args()
    model, reference = (
        Predictions.read(given.folder / name / f"seed-{given.seed}/predictions.parquet")
        for name in (given.model, given.reference)
    )
    if not np.array_equal(model.record_ids, reference.record_ids):
        parser.error(f"{given.model} and {given.reference} were not tested on the same records")
    test = model.of_role("test")
    records = RECORDS.read(given.folder.parent / "records.parquet").set_index("record_id", drop=False)
    records = records.loc[test.record_ids]
    carried = [json.loads(statements) for statements in records["statements"]]
    class_of, _ = read_grouping(given.ptbxl, "superclass")
    given.output.mkdir(parents=True, exist_ok=True)
    table = found_of_statements(model, reference, carried, class_of)
    table.to_csv(given.output / "statements.csv", index=False)
    print(table.to_string(index=False))
    shown = []
    for file, missed in (("missed", True), ("alarms", False)):
        chosen = worst(test, given.pages, missed)
        cv2.imwrite(str(given.output / f"{file}.png"), sheet(given.ptbxl, records, chosen))
        for number, (name, positions) in enumerate(chosen.items()):
            for position in positions:
                probability = round(float(test.probabilities[position, number]), 3)
                said = ", ".join(f"{key} {value:g}" for key, value in carried[position].items())
                shown.append([file, name, test.record_ids[position], probability, said])
    pages = pd.DataFrame(shown, columns=["sheet", "class", "record_id", "probability", "statements"])
    pages.to_csv(given.output / "pages.csv", index=False)
    print(pages.to_string(index=False))


if __name__ == "__main__":
    main()
