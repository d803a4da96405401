"""User datasets: the WFDB records or images of a folder or archive, labelled by a table or by class folders."""

import csv
import difflib
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import sample_ids, shard_count, shard_of
from ecgpipe.artifacts.sources import is_image, open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES
from ecgpipe.config.data import OwnConfig
from ecgpipe.errors import DataError, RecordError

RAW_FILES = {"signals": "WFDB record (.hea)", "images": "image"}
DELIMITERS = (",", ";", "\t", "|")
SEX = {"male": "male", "m": "male", "female": "female", "f": "female", "": None}
ID_COLUMN = "record_id"  # of labels.parquet; not allowed as a class


def present_records(source: Path | str, kind: str) -> dict[str, list[str]]:
    """Record -> its files. A record's name is its path, without suffix for signals, with it for images.

    Args:
        source: folder or zip archive.
        kind: signals or images.
    """
    names = open_source(source).names()
    if kind == "images":
        return {name: [name] for name in names if is_image(name)}
    records: dict[str, list[str]] = {name[: -len(".hea")]: [] for name in names if name.lower().endswith(".hea")}
    for name in names:
        folder, slash, file = name.rpartition("/")
        record = f"{folder}{slash}{file.rpartition('.')[0]}"
        if record in records:
            records[record].append(name)
    return records


def number_of_shards(source: Path | str, kind: str, shards: int | None, key: str) -> int:
    """The configured number of shards, or one that fits the number of records.

    Args:
        key: section of the configuration, for messages.

    Raises:
        DataError: there are no records.
    """
    records = len(present_records(source, kind))
    if not records:
        raise DataError(f"{source}: contains no {RAW_FILES[kind]}; set {key}.source, or {key}.kind")
    return shards or shard_count(records)


def list_own_records(name: str, config: OwnConfig, shards: int | None = None) -> tuple[pd.DataFrame, list[RecordError]]:
    """All usable records in the format of records.parquet, and the problems of the others.

    A record's shard depends on its path only.

    Args:
        name: of the dataset in the configuration, for messages.
        config: the dataset's settings.
        shards: number of shards; None: as configured.

    Raises:
        DataError: the folder or the table as a whole is unusable; names the file, line, column or key.
    """
    key = f"own.{name}"
    present = present_records(config.source, config.kind)
    shards = shards or number_of_shards(config.source, config.kind, config.shards, key)
    if config.labels is None:
        rows, problems = _from_folders(present, config, key), []
    else:
        rows, problems = _from_table(present, config, key)
    records = pd.DataFrame(rows)
    records = records[records["record_id"].isin(sample_ids(records["record_id"], config.limit, config.seed))]
    records = records.sort_values("record_id", ignore_index=True)
    records["shard"] = [shard_of(path, shards) for path in records["path"]]
    # no checksums here: a changed image would change this table and with it every shard (the audit adds them)
    records["content"] = ""
    return records[RECORDS.schema.names].astype({"fold": "Int16", "age": "float32"}), problems


def _from_folders(present: Iterable[str], config: OwnConfig, key: str) -> list[dict]:
    """Images whose class is their top folder."""
    source, paths, rows = open_source(config.source), {}, []
    for path in sorted(present):
        folder, *rest = PurePosixPath(path).parts
        where = source.full_name(path)
        if not rest:
            raise DataError(f"{where}: not in a class folder; move it, or set a table of labels ({key}.labels)")
        record = str(PurePosixPath(path).with_suffix(""))
        other = paths.setdefault(record, path)
        if other != path:
            raise DataError(f"{where} and {other}: same name, {record}; rename one, or set {key}.labels")
        rows.append(_row(record, path, [folder]))
    return rows


def _from_table(present: dict[str, list[str]], config: OwnConfig, key: str) -> tuple[list[dict], list[RecordError]]:
    """Records that are both in the table and in the source."""
    source, columns = open_source(config.source), config.columns
    where, table = read_table(config, key)
    ids: dict[str, int] = {}
    paths: dict[str, int] = {}
    rows, problems = [], []
    for line, cells in table:
        place = f"{where}, line {line}"
        path = _path(cells[columns.path], config.kind, f"{place}, column {columns.path}")
        record = path if columns.record is None else cells[columns.record]
        if not record:
            raise DataError(f"{place}, column {columns.record}: no id; give every record an id, or remove the column")
        for value, seen, column in ((record, ids, columns.record or columns.path), (path, paths, columns.path)):
            if seen.setdefault(value, line) != line:
                raise DataError(f"{place}, column {column}: {value!r} already occurs in line {seen[value]}")
        row = _row(record, path, _labels(cells, config, place))
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
        else:
            detail = f"listed in {where}, line {line}, but this {RAW_FILES[config.kind]} is missing"
            problems.append(RecordError(record, source.full_name(path), "missing-file", detail))
    for path in sorted(set(present) - set(paths)):
        problems.append(RecordError(path, source.full_name(path), "no-metadata", f"the record has no row in {where}"))
    if not rows:
        raise DataError(
            f"{where}: none of its {len(table)} records is in {config.source}; column {columns.path} must contain "
            f"paths below {key}.source, such as {min(present)!r}, not {next(iter(paths), '')!r}"
        )
    return rows, problems


def _row(record: str, path: str, labels: Iterable[str]) -> dict:
    statements = json.dumps(dict.fromkeys(labels, 100.0))
    unknown = dict.fromkeys(("patient_id", "fold", "age", "sex"))
    return {"record_id": record, "path": path, "statements": statements, **unknown}


def read_table(config: OwnConfig, key: str) -> tuple[str, list[tuple[int, dict[str, str]]]]:
    """The label table: its name for messages, and (line, cells by column) of each row that is not empty.

    Raises:
        DataError: the file is missing, not a CSV table, or lacks a column.
    """
    source = open_source(config.source)
    within = config.labels in source
    where = source.full_name(config.labels) if within else str(config.labels)
    try:
        content = source.read(config.labels) if within else Path(config.labels).read_bytes()
        lines = content.decode("utf-8-sig").splitlines(keepends=True)
    except FileNotFoundError as error:
        raise DataError(f"{where}: no such file, in {config.source} or here; set {key}.labels") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: cannot be read ({error}); it must be a CSV table in UTF-8") from error
    reader, rows = csv.reader(lines, delimiter=config.delimiter), []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(header, lines[0] if lines else "", where, config, key)
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{where}, line {reader.line_num}: {len(cells)} cells, but the header has {len(header)} columns; "
                    f"quote cells that contain {config.delimiter!r}"
                )
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: not a readable CSV table ({error})") from error
    if not rows:
        raise DataError(f"{where}: has no rows")
    return where, rows


def _check_columns(header: list[str], first: str, where: str, config: OwnConfig, key: str) -> None:
    """The table has each configured column exactly once."""
    required = config.columns.named
    for column in required:
        if header.count(column) == 1:
            continue
        if column in header:
            raise DataError(f"{where}: has several columns {column!r}; keep one")
        for mark in DELIMITERS:
            if set(required) <= {cell.strip(' "\r\n') for cell in first.split(mark)}:
                raise DataError(
                    f"{where}: its cells are separated by {mark!r}; set {key}.delimiter: {json.dumps(mark)}"
                )
        close = difflib.get_close_matches(column, header, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DataError(f"{where}: has no column {column!r}; {hint}it has {', '.join(header)}; set {key}.columns")


def _path(text: str, kind: str, where: str) -> str:
    """Name of the record in a cell of the path column."""
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or str(path) == ".":
        raise DataError(f"{where}: no path; give the record's path, or remove the line")
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
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
    for label in labels:
        if not label.isprintable() or label == ID_COLUMN:
            raise DataError(f"{where}: {label!r} is not allowed as a class name; use another one")
    return labels


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
