"""Images that show records of PTB-XL: their labels, patients and folds, by the record's number in the file name."""

import re
from collections.abc import Mapping
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from ecgpipe.acquire.own_table import UNSUPPORTED, new_row, read_table
from ecgpipe.acquire.ptbxl import DATABASE, SEX, patient_ids, read_database
from ecgpipe.artifacts.sources import open_source
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import DataError, RecordError


def from_ptbxl(
    present: Mapping[str, list[str]], config: OwnConfig, key: str, ptb_xl: Path | str
) -> tuple[list[dict], list[RecordError]]:
    """Images of known records of PTB-XL, and the problems of the others.

    A record's images all have its patient and fold, so that the protocols ``folds``, ``patient`` and ``unique`` keep
    them in one set.

    Args:
        present: path of an image -> its files.
        config: the dataset's settings.
        key: its section, for messages.
        ptb_xl: folder or zip archive with PTB-XL's table.

    Raises:
        DataError: a table is unusable, or no image has the number of a record.
    """
    source, database = open_source(config.source), read_database(ptb_xl)
    if config.id_table is None:
        numbers, problems = _by_name(present, config)
    else:
        numbers, problems = _by_table(present, config, key)
    patients = dict(zip(database.index, patient_ids(database), strict=True))
    rows = []
    for path, number in sorted(numbers.items()):
        if number not in database.index:
            detail = f"{number} is not an ecg_id in {open_source(ptb_xl).full_name(DATABASE)}"
            problems.append(RecordError(path, source.full_name(path), "unknown-id", detail))
            continue
        found = database.loc[number]
        row = new_row(path, path, found["scp_codes"])
        # a record without a patient counts as its own patient, so that its images stay together
        row["patient_id"] = patients[number] or f"record {number:05d}"
        row["fold"] = None if pd.isna(found["strat_fold"]) else int(found["strat_fold"])
        row["age"] = None if pd.isna(found["age"]) else float(found["age"])
        row["sex"] = SEX.get(found["sex"])
        rows.append(row)
    if not rows:
        raise DataError(
            f"{config.source}: none of its {len(present)} images has the number of a record of PTB-XL (the first: "
            f"{problems[0].file}: {problems[0].detail}); set {key}.id_pattern or {key}.id_table, or ptb_xl.source"
        )
    return rows, problems


def _by_name(present: Mapping[str, list[str]], config: OwnConfig) -> tuple[dict[str, int], list[RecordError]]:
    """Path of an image -> number in its path."""
    source, pattern = open_source(config.source), re.compile(config.id_pattern)
    numbers: dict[str, int] = {}
    problems = []
    for path in sorted(present):
        texts = [match[1] or "" for match in pattern.finditer(path)]
        found = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10}
        if len(found) == 1:
            numbers[path] = found.pop()
            continue
        several = f"several record numbers, {', '.join(map(str, sorted(found)))}"
        detail = f"id_pattern finds {several if found else 'no record number'} in its path"
        problems.append(RecordError(path, source.full_name(path), "no-id", detail))
    return numbers, problems


def _by_table(
    present: Mapping[str, list[str]], config: OwnConfig, key: str
) -> tuple[dict[str, int], list[RecordError]]:
    """Path of an image -> number in the table; the number of a folder in the table applies to all images below it."""
    source = open_source(config.source)
    where, table = read_table(
        config.id_table, ("image", "id"), f"{key}.id_table", source, config.delimiter, delimiter_key=f"{key}.delimiter"
    )
    given: dict[str, int] = {}
    for line, cells in table:
        name, number = normalize("NFC", cells["image"]).replace("\\", "/").rstrip("/"), cells["id"]
        if not name or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise DataError(f"{where}, line {line}: image {name!r}, id {number!r}; give a path and a whole number")
        if given.setdefault(name, int(number)) != int(number):
            raise DataError(f"{where}, line {line}: {name} has two ids, {given[name]} and {int(number)}; correct it")
    numbers: dict[str, int] = {}
    problems, used = [], set()
    for path in sorted(present):
        parts = normalize("NFC", path).split("/")  # macOS may write accents in another form than the table
        name = next((n for n in ("/".join(parts[:end]) for end in range(len(parts), 0, -1)) if n in given), None)
        if name is None:
            detail = f"neither the image nor its folder is in {where}"
            problems.append(RecordError(path, source.full_name(path), "no-id", detail))
            continue
        numbers[path] = given[name]
        used.add(name)
    for name in sorted(set(given) - used):
        if name in source:
            problems.append(RecordError(name, source.full_name(name), "unsupported-format", UNSUPPORTED))
            continue
        detail = f"listed in {where}, but there is no such image, or folder of images in PNG, JPEG, BMP or TIFF"
        problems.append(RecordError(name, source.full_name(name), "missing-file", detail))
    return numbers, problems
