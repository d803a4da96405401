"""Two runs, or two folders of results, compared on the records that both report."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.predictions import COMPARISON
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.data import PROTOCOL_PATTERN
from ecgpipe.errors import DataError
from ecgpipe.evaluate.compare import COMPARED, add_holm, bootstrap_row, check_same_records, delong_rows, exact_rows
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores, read_reported
from ecgpipe.progress import progress

FILE = "predictions.parquet"


@dataclass(frozen=True)
class ResultsFolder:
    """The runs below a folder.

    Args:
        folder: as given.
        found: (data set, protocol, model) -> seed -> what it says; the parts of a cross-validation together.
        copies: whether patients and copies are known (records.parquet was there) for every data set.
    """

    folder: Path
    found: dict[tuple[str, str, str], dict[int, Reported]]
    copies: bool


def read_results_folder(folder: Path) -> ResultsFolder:
    """Read every run below a folder of results, of a data set, of a protocol or of one model, or one run's folder.

    Raises:
        DataError: there is none, or its place does not tell data set, protocol, model and seed.
    """
    folder = folder.resolve()
    files = sorted(folder.rglob(FILE))
    if not files:
        raise DataError(f"{folder}: no {FILE} in it or below; give a folder of results or one run's folder")
    grouped: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        dataset, part, _, seed = file.parts[-5:-1]
        match = PROTOCOL_PATTERN.fullmatch(part)
        if not match or not seed.removeprefix("seed-").isdigit():
            raise DataError(
                f"{file}: not in <dataset>/<protocol>/<model>/seed-<n>/, so that nobody knows what it is of"
            )
        whole = f"{match[1]}-cv{match[2]}" if match[2] else part
        grouped.setdefault((dataset, whole), []).append(file)
    found, known = {}, True
    for (dataset, protocol), own in grouped.items():
        table = own[0].parents[3] / "records.parquet"
        records = RECORDS.read(table) if table.is_file() else None
        known &= records is not None
        for model, seeds in read_reported(own, records).items():
            found[dataset, protocol, model] = seeds
    return ResultsFolder(folder, found, known)


def compare_results(first: ResultsFolder, second: ResultsFolder, config: EvaluateConfig) -> dict:
    """Compare what is of the same data set, protocol and model; if each side is one model, those two.

    Returns:
        ``first``, ``second`` (folders), ``confidence``, ``resamples``, ``pairs`` (each with ``dataset``, ``protocol``,
        ``first_model``, ``second_model``, ``first_records``, ``second_records``, ``common``, ``seeds``, ``rows`` as in
        comparisons.json, ``note``), ``only_first``, ``only_second`` (runs without a counterpart), ``notes``.

    Raises:
        DataError: nothing can be compared; the message says why.
    """
    if len(first.found) == len(second.found) == 1:
        keys = [(next(iter(first.found)), next(iter(second.found)))]
    else:
        keys = [(key, key) for key in first.found if key in second.found]
    if not keys:
        raise DataError(
            f"{first.folder} and {second.folder} have no data set, protocol and model in common: "
            f"{_names(first.found)} against {_names(second.found)}; name two runs' folders to compare other models"
        )
    pairs = [_pair(*key, first, second, config) for key in progress(keys, "compare", len(keys))]
    if not any(pair["rows"] for pair in pairs):
        raise DataError("; ".join(dict.fromkeys(pair["note"] for pair in pairs)))
    add_holm([row for pair in pairs for row in pair["rows"]])
    used = [set(side) for side in zip(*keys, strict=True)]
    notes = [
        f"{side.folder}: patients are not known (no records.parquet beside the runs); every record stands for itself"
        for side in (first, second)
        if not side.copies
    ]
    return {
        "first": str(first.folder),
        "second": str(second.folder),
        "confidence": config.confidence,
        "resamples": config.resamples,
        "pairs": pairs,
        "only_first": ["/".join(key) for key in first.found if key not in used[0]],
        "only_second": ["/".join(key) for key in second.found if key not in used[1]],
        "notes": notes,
    }


def _pair(
    key: tuple[str, str, str],
    other: tuple[str, str, str],
    first: ResultsFolder,
    second: ResultsFolder,
    config: EvaluateConfig,
) -> dict:
    mine, theirs = first.found[key], second.found[other]
    told = {
        "dataset": key[0] if key[0] == other[0] else f"{key[0]} | {other[0]}",
        "protocol": key[1] if key[1] == other[1] else f"{key[1]} | {other[1]}",
        "first_model": key[2],
        "second_model": other[2],
        "rows": [],
    }
    seeds = sorted(mine.keys() & theirs.keys())
    if len(mine) == len(theirs) == 1 and not seeds:  # one seed each: compare them, whatever their numbers
        theirs, seeds = {next(iter(mine)): next(iter(theirs.values()))}, sorted(mine)
    counted = {f"{side}_records": _records(given.values()) for side, given in (("first", mine), ("second", theirs))}
    told |= counted | {"seeds": seeds, "common": 0, "note": None}
    if not seeds:
        return told | {"note": f"no seed in common: {sorted(mine)} against {sorted(theirs)}"}
    common = {
        seed: np.intersect1d(mine[seed].predictions.record_ids, theirs[seed].predictions.record_ids) for seed in seeds
    }
    seeds = [seed for seed in seeds if len(common[seed])]
    if not seeds:
        sizes = f"{counted['first_records']} and {counted['second_records']} records"
        note = f"{'/'.join(key)}: no record is reported in both ({sizes}), so that they cannot be compared in pairs"
        return told | {"note": note}
    pair = [{seed: side[seed].of_records(common[seed]) for seed in seeds} for side in (mine, theirs)]
    for seed in seeds:
        check_same_records(pair[0][seed], pair[1][seed], str(first.folder), str(second.folder))
    drawn = bootstrap_scores({"first": pair[0], "second": pair[1]}, config)
    told |= {"seeds": seeds, "common": _records(pair[0].values())}
    if told["common"] < max(counted.values()):
        told["note"] = "compared on the records that both report; the others of each are left out"
    head = dict.fromkeys(COMPARISON) | {"first": "first", "second": "second", "seeds": seeds}
    example = pair[0][seeds[0]]
    head |= {"records": len(example.groups), "groups": len(np.unique(example.groups))}
    metrics = [metric for metric in COMPARED if metric in drawn["first"][seeds[0]].value]
    rows = [bootstrap_row(head, drawn["first"], drawn["second"], metric, config) for metric in metrics]
    for seed in seeds:
        one = head | {"seeds": [seed], "records": len(common[seed])}
        one["groups"] = len(np.unique(pair[0][seed].groups))
        rows += exact_rows(one, drawn["first"][seed], drawn["second"][seed], pair[0][seed].groups, config)
        rows += delong_rows(one, (pair[0][seed], pair[1][seed]), drawn["first"][seed], config)
    return told | {"rows": rows}


def _records(given: Iterable[Reported]) -> int:
    return len(np.unique(np.concatenate([one.predictions.record_ids for one in given])))


def _names(found: Iterable[tuple[str, str, str]]) -> str:
    return ", ".join("/".join(key) for key in found)
