"""Two folders of results, or two runs, compared on the records that both report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.tables import read_grouped
from ecgpipe.bootstrap import distinct_groups, join_notes, resamples_for
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.data import PROTOCOL_PATTERN, whole_protocol
from ecgpipe.errors import DataError
from ecgpipe.evaluate.compare import add_holm, check_same_records, pair_head, pair_rows
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores, read_reported
from ecgpipe.progress import progress

FILE = "predictions.parquet"
Key = tuple[str, str, str]
"""Dataset, protocol, model."""


@dataclass(frozen=True)
class ResultsFolder:
    """The runs below a folder.

    Args:
        folder: path.
        runs: dataset, protocol and model -> seed -> predictions; the folds of a cross-validation joined.
        patients_known: whether every dataset has its records.parquet, with patients and duplicates.
    """

    folder: Path
    runs: dict[Key, dict[int, Reported]]
    patients_known: bool


def read_results_folder(folder: Path) -> ResultsFolder:
    """Read every run below a folder, which may be that of all results, a dataset, a protocol, a model or one run.

    Raises:
        DataError: no run, or one whose path does not name dataset, protocol, model and seed.
    """
    folder = folder.resolve()
    files = sorted(folder.rglob(FILE))
    if not files:
        raise DataError(f"{folder}: no {FILE} in it or below; give a folder of results or one run's folder")
    grouped: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        dataset, part, _, seed = ("", "", "", *file.parts)[-5:-1]
        if not PROTOCOL_PATTERN.fullmatch(part) or not seed.removeprefix("seed-").isdigit():
            raise DataError(f"{file}: its path must end in <dataset>/<protocol>/<model>/seed-<n>/{FILE}")
        grouped.setdefault((dataset, whole_protocol(part)), []).append(file)
    runs, patients_known = {}, True
    for (dataset, protocol), own in grouped.items():
        table = own[0].parents[3] / "records.parquet"
        records = _records(table) if table.is_file() else None
        patients_known &= records is not None
        for model, seeds in read_reported(own, records).items():
            runs[dataset, protocol, model] = seeds
    return ResultsFolder(folder, runs, patients_known)


def _records(table: Path) -> pd.DataFrame:
    """The records of a dataset with their groups; identical files come from its audit if it was listed without."""
    records = read_grouped(table, None)
    duplicates = table.parent / "audit" / "duplicates.parquet"
    unknown = (records["content"] == "").all()
    return read_grouped(table, duplicates) if unknown and duplicates.is_file() else records


def compare_results(first: ResultsFolder, second: ResultsFolder, config: EvaluateConfig) -> dict:
    """Compare runs of the same dataset, protocol and model; if each folder has one model, compare these two.

    Returns:
        ``first``, ``second`` (folders), ``confidence``, ``resamples``, ``pairs`` (each with ``dataset``, ``protocol``,
        ``first_model``, ``second_model``, ``first_records``, ``second_records``, ``common``, ``seeds``, ``rows`` as in
        comparisons.json, ``note``), ``only_first``, ``only_second`` (runs without a counterpart), ``notes``.

    Raises:
        DataError: nothing can be compared; the message names the reason.
    """
    if len(first.runs) == len(second.runs) == 1:
        keys = [(next(iter(first.runs)), next(iter(second.runs)))]
    else:
        keys = [(key, key) for key in first.runs if key in second.runs]
    if not keys:
        raise DataError(
            f"{first.folder} and {second.folder} have no dataset, protocol and model in common: "
            f"{_names(first.runs)} against {_names(second.runs)}; give two runs' folders to compare different models"
        )
    resamples = resamples_for(len(keys), 1 - config.confidence, config.resamples)
    config = config.model_copy(update={"resamples": resamples})
    pairs = [_pair(*key, first, second, config) for key in progress(keys, "compare", len(keys))]
    if not any(pair["rows"] for pair in pairs):
        raise DataError("; ".join(dict.fromkeys(pair["note"] for pair in pairs)))
    add_holm([row for pair in pairs for row in pair["rows"]])
    used = [set(side) for side in zip(*keys, strict=True)]
    return {
        "first": str(first.folder),
        "second": str(second.folder),
        "confidence": config.confidence,
        "resamples": resamples,
        "pairs": pairs,
        "only_first": _missing(first.runs, used[0]),
        "only_second": _missing(second.runs, used[1]),
        "notes": [
            f"{side.folder}: patients unknown (no records.parquet for the runs), so records are resampled individually"
            for side in (first, second)
            if not (first.patients_known or second.patients_known)
        ],
    }


def _pair(key: Key, other: Key, first: ResultsFolder, second: ResultsFolder, config: EvaluateConfig) -> dict:
    """One entry of ``pairs``."""
    sides = [first.runs[key], second.runs[other]]
    seeds, note = sorted(sides[0].keys() & sides[1].keys()), None
    if len(sides[0]) == len(sides[1]) == 1 and not seeds:  # one seed each: compare them although the numbers differ
        seeds = list(sides[0])
        note = f"seed {seeds[0]} of the first against seed {next(iter(sides[1]))} of the second"
        sides[1] = {seeds[0]: next(iter(sides[1].values()))}
    pair = {
        "dataset": key[0] if key[0] == other[0] else f"{key[0]} | {other[0]}",
        "protocol": key[1] if key[1] == other[1] else f"{key[1]} | {other[1]}",
        "first_model": key[2],
        "second_model": other[2],
        "rows": [],
        "first_records": _count(sides[0]),
        "second_records": _count(sides[1]),
        "seeds": seeds,
        "common": 0,
        "note": None,
    }
    if not seeds:
        return pair | {"note": f"no seed in common: {sorted(sides[0])} against {sorted(sides[1])}"}
    common = {seed: np.intersect1d(*(side[seed].predictions.record_ids for side in sides)) for seed in seeds}
    seeds = [seed for seed in seeds if len(common[seed])]
    if not seeds:
        sizes = f"{pair['first_records']} and {pair['second_records']} records"
        return pair | {"note": f"{'/'.join(key)}: no record is scored in both ({sizes})"}
    first_runs, second_runs = ({seed: side[seed].select(common[seed]) for seed in seeds} for side in sides)
    for seed in seeds:
        check_same_records(first_runs[seed], second_runs[seed], str(first.folder), str(second.folder))
        # one grouping for both, else they are not resampled alike; only one folder may know the patients
        both = first_runs[seed].groups, second_runs[seed].groups
        groups = min(both, key=lambda own: len(np.unique(own)))
        for runs in (first_runs, second_runs):
            runs[seed] = replace(runs[seed], groups=groups)
    pair |= {"seeds": seeds, "common": _count(first_runs)}
    fewer = pair["common"] < max(pair["first_records"], pair["second_records"])
    pair["note"] = join_notes([note, "compared on the records that both report" if fewer else None])
    scores = bootstrap_scores({"first": first_runs, "second": second_runs}, config)
    head = pair_head("first", "second", None, first_runs)
    return pair | {"rows": pair_rows(head, (first_runs, second_runs), (scores["first"], scores["second"]), config)}


def _count(runs: Mapping[int, Reported]) -> int:
    return len(distinct_groups(*(run.predictions.record_ids for run in runs.values())))


def _missing(runs: Iterable[Key], used: set[Key]) -> list[str]:
    return ["/".join(key) for key in runs if key not in used]


def _names(runs: Iterable[Key]) -> str:
    return ", ".join("/".join(key) for key in runs)
