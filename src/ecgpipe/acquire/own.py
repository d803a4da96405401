"""User datasets: the WFDB records or images of a folder or archive, and where their labels come from."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.header_labels import from_headers
from ecgpipe.acquire.own_table import RAW_FILES, UNSUPPORTED, class_names, from_table, new_row
from ecgpipe.acquire.ptbxl_pages import from_ptbxl
from ecgpipe.acquire.shards import sample_ids, shard_count, shard_of
from ecgpipe.artifacts.sources import Source, check_names, open_source, segments_of
from ecgpipe.artifacts.suffixes import is_image, is_picture
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.own import HEADER, PTB_XL, OwnConfig
from ecgpipe.errors import DataError, RecordError

UNLABELLED = ("no-metadata", "no-diagnosis")
"""Problems of records without a label."""


def present_records(source: Path | str, kind: str) -> dict[str, list[str]]:
    """Record -> its files. A record's name is its path, without suffix for signals, with it for images.

    Args:
        source: folder or zip archive.
        kind: signals or images.

    Raises:
        DataError: no such source, or the name of a record is not valid UTF-8.
    """
    names = open_source(source).names()
    if kind == "images":
        images = {name: [name] for name in names if is_image(name)}
        check_names(images, source)
        return images
    records: dict[str, list[str]] = {name[: -len(".hea")]: [] for name in names if name.lower().endswith(".hea")}
    check_names(records, source)
    for name in names:
        folder, slash, file = name.rpartition("/")
        record = f"{folder}{slash}{file.rpartition('.')[0]}"
        if record in records:
            records[record].append(name)
    return records


def unsupported_images(source: Path | str) -> list[str]:
    """Pictures in formats that a dataset's images must not have, such as HEIC and PDF, by their suffixes."""
    return [name for name in open_source(source).names() if is_picture(name) and not is_image(name)]


def number_of_shards(source: Path | str, kind: str, shards: int | None, key: str) -> int:
    """The configured number of shards, or one that fits the number of records.

    Args:
        key: section of the configuration, for messages.

    Raises:
        DataError: there are no records.
    """
    records = len(present_records(source, kind))
    if not records:
        if kind == "images" and (others := unsupported_images(source)):
            raise DataError(f"{source}: none of its images can be used; {others[0]}: {UNSUPPORTED}")
        raise DataError(f"{source}: contains no {RAW_FILES[kind]}; set {key}.source, or {key}.kind")
    return shards or shard_count(records)


def list_own_records(
    name: str, config: OwnConfig, shards: int | None = None, ptb_xl: Path | str | None = None
) -> tuple[pd.DataFrame, list[RecordError]]:
    """All usable records in the format of records.parquet, and the problems of the others.

    A record's shard depends on its path only.

    Args:
        name: name of the dataset in the configuration, for messages.
        config: the dataset's settings.
        shards: number of shards; None: as configured.
        ptb_xl: folder or zip archive with PTB-XL's tables, for ``labels: ptb-xl``.

    Raises:
        DataError: the folder or table as a whole is unusable; the message names the file, line, column or key.
    """
    key = f"own.{name}"
    present = present_records(config.source, config.kind)
    shards = shards or number_of_shards(config.source, config.kind, config.shards, key)
    if config.labels is None:
        rows, problems = _from_folders(present, config, key), []
    elif config.labels == HEADER:
        rows, problems = from_headers(present, config, key)
    elif config.labels == PTB_XL:
        rows, problems = from_ptbxl(present, config, key, ptb_xl)
    else:
        rows, problems = from_table(present, config, key)
    if config.kind == "images":
        source, known = open_source(config.source), {error.file for error in problems}
        others = ((name, source.full_name(name)) for name in unsupported_images(config.source))
        problems += [RecordError(n, file, "unsupported-format", UNSUPPORTED) for n, file in others if file not in known]
    else:
        problems = _without_segments(problems, rows, present, open_source(config.source))
    records = pd.DataFrame(rows)
    records = records[records["record_id"].isin(sample_ids(records["record_id"], config.limit, config.seed))]
    records = records.sort_values("record_id", ignore_index=True)
    records["shard"] = [shard_of(path, shards) for path in records["path"]]
    # no checksums here: a changed image would change this table and with it every shard (the audit adds them)
    records["content"] = ""
    return records[RECORDS.schema.names].astype({"fold": "Int16", "age": "float32"}), problems


def _without_segments(
    problems: list[RecordError], rows: list[dict], present: dict[str, list[str]], source: Source
) -> list[RecordError]:
    """The problems, except those of segments of usable records: segments have no labels of their own."""
    unlabelled = [error.record for error in problems if error.problem in UNLABELLED]
    folders = {record.rpartition("/")[0] for record in unlabelled}  # only headers beside them are read
    beside = [row["path"] for row in rows if row["path"].rpartition("/")[0] in folders]
    headers = [name for path in beside for name in present[path] if name.lower().endswith(".hea")]
    segments = segments_of(source, headers)
    return [error for error in problems if error.problem not in UNLABELLED or error.record not in segments]


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
        rows.append(new_row(record, path, dict.fromkeys(class_names([folder], where), 100.0)))
    return rows
