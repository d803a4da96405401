"""The label table of a user dataset: a CSV file with one row per record."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import pandas as pd

from ecgpipe.artifacts.sources import DRIVE, Source, open_source
from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES
from ecgpipe.config.base import did_you_mean
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import DataError, RecordError, one_line

RAW_FILES = {"signals": "WFDB record (.hea)", "images": "image"}
UNSUPPORTED = "not a PNG, JPEG, BMP or TIFF file; convert it to PNG"
DELIMITERS = (",", ";", "\t", "|")
SEX = {"male": "male", "m": "male", "female": "female", "f": "female", "": None}
END = "end"  # a line after the last one; it is part of a cell if a quote is not closed
ID_COLUMN = "record_id"  # of labels.parquet; not allowed as a class


def from_table(present: dict[str, list[str]], config: OwnConfig, key: str) -> tuple[list[dict], list[RecordError]]:
    """Records that are both in the table and in the source."""
    source, columns = open_source(config.source), config.columns
    keys = {"columns_key": f"{key}.columns", "delimiter_key": f"{key}.delimiter"}
    where, table = read_table(config.labels, columns.named, f"{key}.labels", source, config.delimiter, **keys)
    ids: dict[str, int] = {}
    paths: dict[str, int] = {}
    rows, problems = [], []
    composed = {normalize("NFC", path): path for path in present}
    for line, cells in table:
        place = f"{where}, line {line}"
        path = _path(cells[columns.path], config.kind, f"{place}, column {columns.path}")
        if path not in present:  # macOS may write the accents of file names in another Unicode form than tables
            path = composed.get(normalize("NFC", path), path)
        record = path if columns.record is None else cells[columns.record]
        if not record:
            raise DataError(f"{place}, column {columns.record}: no id; give every record an id, or remove the column")
        for value, seen, column in ((record, ids, columns.record or columns.path), (path, paths, columns.path)):
            if seen.setdefault(value, line) != line:
                raise DataError(f"{place}, column {column}: {value!r} already occurs in line {seen[value]}")
        row = new_row(record, path, dict.fromkeys(_labels(cells, config, place), 100.0))
        if columns.patient is not None:
            row["patient_id"] = cells[columns.patient] or None
        if columns.fold is not None:
            row["fold"] = _number(cells[columns.fold], f"{place}, column {columns.fold}", whole=True)
        if columns.age is not None:
            row["age"] = _number(cells[columns.age], f"{place}, column {columns.age}")
        if columns.sex is not None:
            row["sex"] = _sex(cells[columns.sex], f"{place}, column {columns.sex}")
        if path in present:
            rows.append(row)
        elif config.kind == "images" and path in source:
            problems.append(RecordError(record, source.full_name(path), "unsupported-format", UNSUPPORTED))
        else:
            detail = f"listed in {where}, line {line}, but this {RAW_FILES[config.kind]} is missing"
            problems.append(RecordError(record, source.full_name(path), "missing-file", detail))
    for path in sorted(set(present) - set(paths)):
        problems.append(RecordError(path, source.full_name(path), "no-metadata", f"the record has no row in {where}"))
    if not rows:
        if problems[0].problem == "unsupported-format":
            raise DataError(f"{where}: none of its {len(table)} images can be used; {problems[0].file}: {UNSUPPORTED}")
        raise DataError(
            f"{where}: none of its {len(table)} records is in {config.source}; column {columns.path} must contain "
            f"paths below {key}.source, such as {min(present)!r}, not {next(iter(paths), '')!r}"
        )
    return rows, problems


def new_row(record: str, path: str, statements: Mapping[str, float]) -> dict:
    """A row of records.parquet without shard and content, and without anything about the patient."""
    unknown = dict.fromkeys(("patient_id", "fold", "age", "sex"))
    return {"record_id": record, "path": path, "statements": json.dumps(dict(statements)), **unknown}


def read_table(
    name: str,
    required: Sequence[str],
    key: str,
    source: Source | None = None,
    delimiter: str = ",",
    columns_key: str | None = None,
    delimiter_key: str | None = None,
) -> tuple[str, list[tuple[int, dict[str, str]]]]:
    """A CSV table that a user names: its name for messages, and (line, cells by column) of each non-empty row.

    Args:
        name: path of the file, in the source or else from the working directory.
        required: columns that it must have, each once.
        key: the configuration key that names the file, for messages.
        source: the place that is searched first.
        delimiter: delimiter of the cells.
        columns_key: key that names the columns; None: their names are fixed.
        delimiter_key: key of the delimiter; None: it is fixed.

    Raises:
        DataError: the file is missing, not a CSV table, or lacks a column.
    """
    within = source is not None and name in source
    where = source.full_name(name) if within else str(name)
    try:
        content = source.read(name) if within else Path(name).read_bytes()
        lines = io.StringIO(content.decode("utf-8-sig"), newline="").readlines()  # splitlines also splits at U+2028
    except FileNotFoundError as error:
        place = "here" if source is None else "in the folder of the dataset or here"
        raise DataError(f"{where}: no such file {place}; set {key}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: cannot be read ({error}); it must be a CSV table in UTF-8") from error
    reader, rows = csv.reader([*lines, END], delimiter=delimiter), []
    try:
        header = [name.strip() for name in next(reader)] if lines else []
        if not any(header):
            raise DataError(f"{where}: its first line is empty; it must have the names of the columns")
        _check_columns(header, lines[0], required, where, columns_key, delimiter_key)
        start = reader.line_num + 1
        for cells in reader:
            if reader.line_num > len(lines):
                if cells != [END]:
                    raise DataError(f"{where}, line {start}: a quote is not closed; close it, or remove it")
                break
            start = reader.line_num + 1
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{where}, line {reader.line_num}: {len(cells)} cells, but the header has {len(header)} columns; "
                    f"quote cells that contain {delimiter!r}"
                )
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: not a readable CSV table ({one_line(error)})") from error
    if not rows:
        raise DataError(f"{where}: has no rows")
    return where, rows


def _check_columns(
    header: list[str],
    first: str,
    required: Sequence[str],
    where: str,
    columns_key: str | None,
    delimiter_key: str | None,
) -> None:
    """Check that the table has each required column exactly once."""
    for column in required:
        if header.count(column) == 1:
            continue
        if column in header:
            raise DataError(f"{where}: has several columns {column!r}; keep one")
        for mark in DELIMITERS:
            if set(required) <= {cell.strip(' "\r\n') for cell in first.split(mark)}:
                remedy = f"set {delimiter_key}: {json.dumps(mark)}" if delimiter_key else "separate them by commas"
                raise DataError(f"{where}: its cells are separated by {mark!r}; {remedy}")
        remedy = f"set {columns_key}" if columns_key else f"required are {', '.join(required)}"
        raise DataError(
            f"{where}: has no column {column!r}; {did_you_mean(column, header)}it has {', '.join(header)}; {remedy}"
        )


def _path(text: str, kind: str, where: str) -> str:
    """Name of the record in a cell of the path column."""
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or str(path) == ".":
        raise DataError(f"{where}: no path; give the record's path, or remove the line")
    if path.is_absolute() or ".." in path.parts or DRIVE.match(str(path)):
        raise DataError(f"{where}: {text!r} leaves the folder of the dataset; give paths below it")
    if kind == "signals" and path.suffix.lower() in RECORD_SUFFIXES:
        path = path.with_suffix("")
    return str(path)


def _labels(cells: dict[str, str], config: OwnConfig, where: str) -> list[str]:
    column = config.columns.label
    if isinstance(column, str):
        labels = [label.strip() for label in cells[column].split(config.label_separator) if label.strip()]
    else:
        for name in column:
            if cells[name] not in ("", "0", "1", "0.0", "1.0"):
                raise DataError(f"{where}, column {name}: {cells[name]!r}; a column of a single class must be 0 or 1")
        labels = [name for name in column if cells[name].startswith("1")]
    return class_names(labels, where)


def class_names(names: Iterable[str], where: str) -> list[str]:
    """The names in the Unicode form NFC, since macOS may write accents of folders in another form than tables.

    Raises:
        DataError: a name cannot be a class, such as that of the labels file's column of record ids.
    """
    composed = [normalize("NFC", name) for name in names]
    for name in composed:
        if not name.isprintable() or name == ID_COLUMN:
            raise DataError(f"{where}: {name!r} is not allowed as a class name; use another one")
    return composed


def _number(text: str, where: str, whole: bool = False) -> float | None:
    if not text:
        return None
    number = pd.to_numeric(text, errors="coerce")
    if not -1e6 < number < 1e6 or (whole and (number % 1 or not 0 <= number <= 1000)):
        raise DataError(f"{where}: {text!r} is not a {'whole number from 0 to 1000' if whole else 'number'}")
    return int(number) if whole else float(number)


def _sex(text: str, where: str) -> str | None:
    if text.lower() not in SEX:
        raise DataError(f"{where}: {text!r} is not valid; use male, female, m, f or an empty cell")
    return SEX[text.lower()]
