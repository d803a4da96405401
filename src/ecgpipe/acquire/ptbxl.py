"""PTB-XL (Wagner et al. 2020, doi:10.1038/s41597-020-0495-6): records, metadata and shards of a copy.

A copy is a folder or zip archive with ptbxl_database.csv, scp_statements.csv and records100/ or records500/. It may be
incomplete: missing files are reported as problems.
"""

import ast
import io
import json
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import sample_ids
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.errors import DataError, RecordError, one_line

DATABASE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold")
RATE_SUFFIXES = {100: "lr", 500: "hr"}
HIGHEST_ID = 21837  # in releases 1.0.1 and 1.0.3; the latter lacks 38 records
SEX = {0: "male", 1: "female"}


def record_path(ecg_id: int, sampling_rate: int) -> str:
    """Path of a record below the copy's folder, without suffix."""
    return f"records{sampling_rate}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{RATE_SUFFIXES[sampling_rate]}"


def shard_name(ecg_id: int, shard_size: int) -> str:
    """Shard of a record by its number, so that a new record never moves another one."""
    return f"{ecg_id // shard_size * shard_size:05d}"


def present_records(source: Path | str, sampling_rate: int) -> dict[int, list[str]]:
    """Record number -> names of its signal files (.hea, .dat), for every record with at least one.

    Raises:
        DataError: no folder for this sampling rate.
    """
    files, folder = open_source(source), f"records{sampling_rate}"
    names = files.names(folder)
    if not names:
        raise DataError(
            f"{files.full_name(folder)}: no such folder; set ptb_xl.source to the folder or zip archive that contains "
            f"{folder}/, or set ptb_xl.sampling_rate to the other rate"
        )
    present: dict[int, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        number, _, rate = path.stem.partition("_")
        if number.isdigit() and rate == RATE_SUFFIXES[sampling_rate] and path.suffix in (".hea", ".dat"):
            present.setdefault(int(number), []).append(name)
    return present


def read_database(source: Path | str) -> pd.DataFrame:
    """The used columns of ptbxl_database.csv, indexed by ecg_id, with scp_codes as dictionaries.

    Raises:
        DataError: the file is missing, not a CSV table, lacks a column or has an invalid cell (with its line).
    """
    files = open_source(source)
    path = files.full_name(DATABASE)
    try:
        content = io.BytesIO(files.read(DATABASE))
        table = pd.read_csv(content, encoding="utf-8", dtype={"scp_codes": str, "patient_id": str})
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL?") from error
    except (ValueError, OSError) as error:  # pandas' parser errors and bad encodings are ValueErrors
        raise DataError(f"{path}: not a readable CSV table ({one_line(error)}); fetch it again") from error
    if not table.index.equals(pd.RangeIndex(len(table))):  # pandas uses surplus leading cells as row names
        raise DataError(f"{path}: has rows with more cells than the header has columns; fetch it again")
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"{path}: lacks the columns {', '.join(missing)}; fetch it again")

    def check(wrong: pd.Series, column: str, problem: str) -> None:
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise DataError(f"{path}, line {row + 2}: {column} {str(table[column][row])!r} {problem}; fetch it again")

    ids = pd.to_numeric(table["ecg_id"], errors="coerce")
    bad_ids = ids.isna() | ids.duplicated(keep=False) | (ids % 1 != 0) | (ids < 0)
    check(bad_ids, "ecg_id", "is not a whole number, or occurs twice")
    for column in ("age", "sex", "strat_fold"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() & table[column].notna()
        if column == "strat_fold":
            wrong |= numbers.notna() & ((numbers % 1 != 0) | ~numbers.between(1, 1000))
        check(wrong, column, "is not valid")
        table[column] = numbers
    table["scp_codes"] = [_parse_codes(text, f"{path}, line {i + 2}") for i, text in enumerate(table["scp_codes"])]
    return table[list(COLUMNS)].assign(ecg_id=ids.astype(int)).set_index("ecg_id").sort_index()


def _parse_codes(text: object, where: str) -> dict[str, float]:
    """A cell like ``{'NORM': 100.0}``, parsed as a literal and never evaluated."""
    try:
        return {str(code): float(likelihood) for code, likelihood in ast.literal_eval(str(text)).items()}
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{where}: scp_codes {str(text)[:80]!r} is not a dictionary of likelihoods; fetch it again"
        ) from error


def patient_ids(database: pd.DataFrame) -> list[str | None]:
    """The patient of each row of ``read_database``, in the form of the records table."""
    return [None if pd.isna(patient) else str(patient).removesuffix(".0") for patient in database["patient_id"]]


def list_ptbxl_records(
    source: Path | str, sampling_rate: int, shard_size: int, limit: int | None = None, seed: int = 0
) -> tuple[pd.DataFrame, list[RecordError]]:
    """All usable records of a copy in the format of records.parquet, and the problems of the others.

    Args:
        source: folder or zip archive of the copy.
        sampling_rate: 100 or 500 Hz.
        shard_size: record numbers per shard.
        limit: size of a random sample; None: all records.
        seed: seed of the sample.

    Raises:
        DataError: the copy as a whole is unusable.
        SourceError: a file of a copy that the workflow downloaded is damaged or missing.
    """
    database = read_database(source)
    present, files = present_records(source, sampling_rate), open_source(source)

    def problem(ecg_id: int, file: str, kind: str, detail: str) -> RecordError:
        return RecordError(f"{ecg_id:05d}", files.full_name(file), kind, detail)

    problems = [
        problem(ecg_id, present[ecg_id][0], "no-metadata", f"the record has no row in {DATABASE}")
        for ecg_id in sorted(set(present) - set(database.index))
    ]
    usable = []
    for ecg_id in database.index:
        required = [f"{record_path(ecg_id, sampling_rate)}{suffix}" for suffix in (".hea", ".dat")]
        missing = [file for file in required if file not in present.get(ecg_id, ())]
        if missing:
            files.check(missing[0])  # raises for a damaged download, which must be repeated
            problems.append(
                problem(ecg_id, missing[0], "missing-file", f"listed in {DATABASE}, but the file is missing")
            )
        else:
            usable.append(ecg_id)
    if not usable:
        raise DataError(f"{source}: no record of {DATABASE} has its signal files in records{sampling_rate}/")
    chosen = sample_ids([f"{ecg_id:05d}" for ecg_id in usable], limit, seed)
    usable = [ecg_id for ecg_id in usable if f"{ecg_id:05d}" in chosen]
    rows = database.loc[usable]
    records = pd.DataFrame(
        {
            "record_id": [f"{ecg_id:05d}" for ecg_id in usable],
            "patient_id": patient_ids(rows),
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
