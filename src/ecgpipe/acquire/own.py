"""What a folder or archive of one's own holds: WFDB records or images, and their shards. Opens no file.

Data sets of one's own: the records of a folder or archive, and what a table or the folders say of them.
"""

import csv
import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import sample_order, shard_count, shard_of
from ecgpipe.artifacts.sources import is_image, open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.data import OwnConfig
from ecgpipe.errors import DataError, RecordError

WHAT = {"signals": "WFDB record (.hea)", "images": "image"}


def present_records(source: Path | str, kind: str) -> dict[str, list[str]]:
    """Record -> its files. A record is named by its path, signals without suffix, images with it.

    Args:
        source: folder or zip archive.
        kind: signals or images.
    """
    names = open_source(source).names()
    if kind == "images":
        return {name: [name] for name in names if is_image(name)}
    found: dict[str, list[str]] = {name.removesuffix(".hea"): [] for name in names if name.endswith(".hea")}
    for name in names:
        folder, slash, file = name.rpartition("/")
        record = f"{folder}{slash}{file.rpartition('.')[0]}"
        if record in found:
            found[record].append(name)
    return found


def number_of_shards(source: Path | str, kind: str, shards: int | None, key: str) -> int:
    """How many shards: as configured, or by the number of records.

    Args:
        key: of the data set in the configuration, for messages.

    Raises:
        DataError: there is no record.
    """
    records = len(present_records(source, kind))
    if not records:
        raise DataError(f"{source}: holds no {WHAT[kind]}; set {key}.source, or {key}.kind")
    return shards or shard_count(records)


def listing_hash(present: Mapping[str, list[str]]) -> str:
    """Changes when a record comes or goes, not when its files change."""
    return hashlib.sha256("\n".join(sorted(present)).encode()).hexdigest()[:16]


DELIMITERS = (",", ";", "\t", "|")
SEX = {"male": "male", "m": "male", "female": "female", "f": "female", "": None}
COLUMN_OF_LABELS = "record_id"  # no class can have the name of labels.parquet's own column


def list_own_records(name: str, config: OwnConfig, shards: int | None = None) -> tuple[pd.DataFrame, list[RecordError]]:
    """All usable records, in the form of records.parquet, and what is wrong with the others.

    A record is in the shard of its path, whatever its id and labels.

    Args:
        name: of the data set in the configuration, for messages.
        config: where the records are, and how the table reads.
        shards: number of shards; None: as the configuration has it.

    Raises:
        DataError: the folder or the table as a whole is unusable; names the file, line, column or key.
    """
    key = f"own.{name}"
    present = present_records(config.source, config.kind)
    shards = shards or number_of_shards(config.source, config.kind, config.shards, key)
    if config.labels is None:
        rows, problems = _of_folders(present, config, key), []
    else:
        rows, problems = _of_table(present, config, key)
    records = pd.DataFrame(rows)
    if config.limit is not None:
        chosen = set(sample_order(records["record_id"].tolist(), config.seed)[: config.limit])
        records = records[records["record_id"].isin(chosen)]
    records = records.sort_values("record_id", ignore_index=True)
    records["shard"] = [shard_of(path, shards) for path in records["path"]]
    # images have no checksum here: one that changes would change this table, and so redo every shard (audit/ has it)
    records["content"] = ""
    return records[RECORDS.schema.names].astype({"fold": "Int16", "age": "float32"}), problems


def _of_folders(present: Iterable[str], config: OwnConfig, key: str) -> list[dict]:
    """Images whose class is the folder that they are in, directly or not."""
    source, ids, rows = open_source(config.source), {}, []
    for path in sorted(present):
        folder, *rest = PurePosixPath(path).parts
        if not rest:
            raise DataError(
                f"{source.where(path)}: lies in no class folder; move it, or name a table of labels ({key}.labels)"
            )
        record = str(PurePosixPath(path).with_suffix(""))
        other = ids.setdefault(record, path)
        if other != path:
            raise DataError(f"{source.where(path)} and {other}: one name, {record}; rename one, or set {key}.labels")
        rows.append(_row(record, path, [folder]))
    return rows


def _of_table(present: dict[str, list[str]], config: OwnConfig, key: str) -> tuple[list[dict], list[RecordError]]:
    """Records that the table lists and that are there."""
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
            raise DataError(f"{place}, column {columns.record}: no id; give every record one, or leave out the column")
        for value, seen, column in ((record, ids, columns.record or columns.path), (path, paths, columns.path)):
            if seen.setdefault(value, line) != line:
                raise DataError(f"{place}, column {column}: {value!r} is there already, in line {seen[value]}")
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
            detail = f"listed in {where}, line {line}, but there is no such {WHAT[config.kind]}"
            problems.append(RecordError(record, source.where(path), "missing-file", detail))
    for path in sorted(set(present) - set(paths)):
        problems.append(RecordError(path, source.where(path), "no-metadata", f"the record has no row in {where}"))
    if not rows:
        raise DataError(
            f"{where}: not one of its {len(table)} records is in {config.source}; column {columns.path} holds paths "
            f"below {key}.source, such as {min(present)!r}, and not {next(iter(paths), 'nothing')!r}"
        )
    return rows, problems


def _row(record: str, path: str, labels: Iterable[str]) -> dict:
    statements = json.dumps(dict.fromkeys(labels, 100.0))
    unknown = dict.fromkeys(("patient_id", "fold", "age", "sex"))
    return {"record_id": record, "path": path, "statements": statements, **unknown}


def read_table(config: OwnConfig, key: str) -> tuple[str, list[tuple[int, dict[str, str]]]]:
    """The label table: its name for messages, and (line, cells by column) of each row that is not empty.

    Raises:
        DataError: no such file, no such table, or it lacks a column.
    """
    source = open_source(config.source)
    within = config.labels in source
    where = source.where(config.labels) if within else str(config.labels)
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
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{where}, line {reader.line_num}: {len(cells)} cells, where the first line names {len(header)} "
                    f"columns; quote cells that hold {config.delimiter!r}"
                )
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: not a readable CSV table ({error})") from error
    if not rows:
        raise DataError(f"{where}: has no row")
    return where, rows


def _check_columns(header: list[str], first: str, where: str, config: OwnConfig, key: str) -> None:
    """The table has the columns that the configuration names."""
    wanted = config.columns.named
    for column in wanted:
        if header.count(column) == 1:
            continue
        if column in header:
            raise DataError(f"{where}: has several columns {column!r}; keep one")
        parts = {mark: {cell.strip(' "\r\n') for cell in first.split(mark)} for mark in DELIMITERS}
        other = next((mark for mark, cells in parts.items() if set(wanted) <= cells), None)
        if other:
            raise DataError(f"{where}: its cells are separated by {other!r}; set {key}.delimiter: {json.dumps(other)}")
        close = difflib.get_close_matches(column, header, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DataError(f"{where}: has no column {column!r}; {hint}it has {', '.join(header)}; set {key}.columns")


def _path(text: str, kind: str, where: str) -> str:
    """The record that a cell names."""
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or str(path) == ".":
        raise DataError(f"{where}: no path; give the record's, or remove the line")
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{where}: {text!r} leaves the folder of the data set; give paths below it")
    if kind == "signals" and path.suffix in (".hea", ".dat", ".mat"):
        path = path.with_suffix("")
    return str(path)


def _labels(cells: dict[str, str], config: OwnConfig, where: str) -> list[str]:
    column = config.columns.label
    if isinstance(column, str):
        found = [label.strip() for label in cells[column].split(config.label_separator)]
        found = [label for label in found if label]
    else:
        found = []
        for name in column:
            if cells[name] not in ("", "0", "1", "0.0", "1.0"):
                raise DataError(f"{where}, column {name}: {cells[name]!r}; columns of single classes hold 0 or 1")
            found += [name] if cells[name].startswith("1") else []
    for label in found:
        if not label.isprintable() or label == COLUMN_OF_LABELS:
            raise DataError(f"{where}: {label!r} cannot be the name of a class; use another")
    return found


def _number(text: str, where: str, whole: bool = False) -> float | None:
    if not text:
        return None
    number = pd.to_numeric(text, errors="coerce")
    if not -1e6 < number < 1e6 or (whole and (number % 1 or not 0 <= number <= 1000)):
        raise DataError(f"{where}: {text!r} is no {'whole number from 0 to 1000' if whole else 'number'}")
    return int(number) if whole else float(number)


def _sex(text: str, where: str) -> str | None:
    if text.lower() not in SEX:
        raise DataError(f"{where}: {text!r}; it may be male, female, m, f or empty")
    return SEX[text.lower()]
