"""Where a copy of PTB-XL, a folder or a zip archive, keeps its records, and how they are divided into shards.

Lists names, opens no record.

PTB-XL's metadata: which records a copy holds, and what is said of them.

A copy is a folder, or a zip archive of one, with ptbxl_database.csv, scp_statements.csv and records100/ or records500/
(Wagner et al. 2020, doi:10.1038/s41597-020-0495-6). It may lack records; what it lacks is listed as problems.
"""

import ast
import hashlib
import io
import json
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import sample_order
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.errors import DataError, RecordError

DATABASE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
SUFFIX = {100: "lr", 500: "hr"}
HIGHEST_ID = 21837  # of releases 1.0.1 and 1.0.3 (which leaves out 38 records)


def record_path(ecg_id: int, sampling_rate: int) -> str:
    """Path of a record below the copy's folder, without suffix."""
    return f"records{sampling_rate}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{SUFFIX[sampling_rate]}"


def shard_name(ecg_id: int, shard_size: int) -> str:
    """Shard of a record: by its number, so that adding a record never moves another."""
    return f"{ecg_id // shard_size * shard_size:05d}"


def shard_names(source: Path | str | None, sampling_rate: int, shard_size: int, highest: int) -> list[str]:
    """The shards of a copy from the names of its files; of a complete one (ids 1 to highest) if there is no copy yet.

    Cheap: lists folders, opens nothing.
    """
    if source is None:
        numbers = {number // shard_size * shard_size for number in (*range(0, highest + 1, shard_size), 1)}
        return [f"{number:05d}" for number in sorted(numbers) if number <= highest]
    return sorted({shard_name(ecg_id, shard_size) for ecg_id in present_records(source, sampling_rate)})


def present_records(source: Path | str, sampling_rate: int) -> dict[int, set[str]]:
    """Records of which a copy has any signal file, with the suffixes there are (``.hea``, ``.dat``).

    Raises:
        DataError: no folder of that sampling rate.
    """
    files = open_source(source)
    names = files.names(f"records{sampling_rate}")
    if not names:
        raise DataError(
            f"{files.where(f'records{sampling_rate}')}: no such folder; a copy of PTB-XL holds records{sampling_rate}/ "
            "(set ptb_xl.source to the folder above it, or to a zip archive of that, or ptb_xl.sampling_rate to the "
            "other rate)"
        )
    present: dict[int, set[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        number, _, rate = path.stem.partition("_")
        if number.isdigit() and rate == SUFFIX[sampling_rate] and path.suffix in (".hea", ".dat"):
            present.setdefault(int(number), set()).add(path.suffix)
    return present


def raw_files_hash(source: Path | str, sampling_rate: int, shard: str, shard_size: int) -> str:
    """Changes when any signal file of a shard changes: its name, size or time of change, in an archive its checksum."""
    first, files = int(shard), open_source(source)
    digest = hashlib.sha256()
    for start in range(first // 1000 * 1000, first + shard_size, 1000):
        for name in files.names(f"records{sampling_rate}/{start:05d}"):
            file = name.rpartition("/")[2]
            number = file.partition("_")[0]
            if number.isdigit() and first <= int(number) < first + shard_size:
                digest.update(f"{file} {files.mark(name)}\n".encode())
    return digest.hexdigest()[:16]


def listing_hash(source: Path | str, sampling_rate: int) -> str:
    """Changes when a signal file comes or goes, not when its content changes."""
    present = present_records(source, sampling_rate)
    lines = (f"{ecg_id} {' '.join(sorted(present[ecg_id]))}\n" for ecg_id in sorted(present))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold")
SEX = {0: "male", 1: "female"}


def read_database(source: Path | str) -> pd.DataFrame:
    """ptbxl_database.csv with the columns that are used, indexed by ecg_id; scp_codes as dictionaries.

    Raises:
        DataError: the file is missing, is not a CSV table, lacks a column, or a cell cannot be read; names the line.
    """
    files = open_source(source)
    path = files.where(DATABASE)
    try:
        content = io.BytesIO(files.read(DATABASE))
        table = pd.read_csv(content, encoding="utf-8", dtype={"scp_codes": str, "patient_id": str})
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL?") from error
    except (ValueError, OSError) as error:  # pandas' parser errors and bad encodings are ValueErrors
        raise DataError(f"{path}: not a readable CSV table ({error}); fetch it again") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what stands before the first column for names of rows
        raise DataError(f"{path}: has rows with more cells than the first line names columns; fetch it again")
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"{path}: lacks the columns {', '.join(missing)}; fetch it again")
    ids = pd.to_numeric(table["ecg_id"], errors="coerce")
    bad = ids.isna() | ids.duplicated(keep=False) | (ids % 1 != 0) | (ids < 0)
    if bad.any():
        line = int(bad.to_numpy().argmax())
        given = str(table["ecg_id"][line])
        raise DataError(f"{path}, line {line + 2}: ecg_id {given!r} is no whole number, or there twice; fetch it again")
    for column in ("age", "sex", "strat_fold"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() & table[column].notna()
        if column == "strat_fold":
            wrong |= numbers.notna() & ((numbers % 1 != 0) | ~numbers.between(1, 1000))
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            raise DataError(f"{path}, line {line + 2}: {column} {str(table[column][line])!r} cannot be; fetch it again")
        table[column] = numbers
    table["scp_codes"] = [_parse_codes(text, f"{path}, line {i + 2}") for i, text in enumerate(table["scp_codes"])]
    return table[list(COLUMNS)].assign(ecg_id=ids.astype(int)).set_index("ecg_id").sort_index()


def _parse_codes(text: object, where: str) -> dict[str, float]:
    """A cell like ``{'NORM': 100.0}``: parsed as data, never evaluated."""
    try:
        codes = ast.literal_eval(str(text))
        return {str(code): float(likelihood) for code, likelihood in codes.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{where}: scp_codes {str(text)[:80]!r} is not a table of likelihoods; fetch it again"
        ) from error


def list_ptbxl_records(
    source: Path | str, sampling_rate: int, shard_size: int, limit: int | None = None, seed: int = 0
) -> tuple[pd.DataFrame, list[RecordError]]:
    """All usable records of a copy, in the form of records.parquet, and what is wrong with the others.

    Args:
        source: the copy's folder, or a zip archive of it.
        sampling_rate: 100 or 500 Hz.
        shard_size: record numbers per shard.
        limit: keep only so many, sampled at random.
        seed: of the sample.

    Raises:
        DataError: the copy as a whole is unusable.
    """
    database = read_database(source)
    present, files = present_records(source, sampling_rate), open_source(source)
    problems = []
    for ecg_id in sorted(set(present) - set(database.index)):
        file = files.where(f"{record_path(ecg_id, sampling_rate)}.hea")
        problems.append(RecordError(f"{ecg_id:05d}", file, "no-metadata", f"the record has no row in {DATABASE}"))
    for ecg_id in database.index:
        for suffix in (".hea", ".dat"):
            if suffix not in present.get(ecg_id, ()):
                file = files.where(record_path(ecg_id, sampling_rate) + suffix)
                problems.append(
                    RecordError(
                        f"{ecg_id:05d}", file, "missing-file", f"listed in {DATABASE}, but there is no such file"
                    )
                )
                break
    usable = [ecg_id for ecg_id in database.index if len(present.get(ecg_id, ())) == 2]
    if not usable:
        raise DataError(f"{source}: not one record of {DATABASE} has its signal files in records{sampling_rate}/")
    if limit is not None:
        chosen = set(sample_order([f"{ecg_id:05d}" for ecg_id in usable], seed)[:limit])
        usable = [ecg_id for ecg_id in usable if f"{ecg_id:05d}" in chosen]
    rows = database.loc[usable]
    records = pd.DataFrame(
        {
            "record_id": [f"{ecg_id:05d}" for ecg_id in usable],
            "patient_id": [
                None if pd.isna(patient) else str(patient).removesuffix(".0") for patient in rows["patient_id"]
            ],
            "shard": [shard_name(ecg_id, shard_size) for ecg_id in usable],
            "path": [record_path(ecg_id, sampling_rate) for ecg_id in usable],
            "fold": rows["strat_fold"].astype("Int16").to_numpy(),
            "age": rows["age"].astype("float32").to_numpy(),
            "sex": [SEX.get(sex) for sex in rows["sex"]],
            "statements": [json.dumps(codes) for codes in rows["scp_codes"]],
            "content": "",
        }
    )
    return records[RECORDS.schema.names], problems
