"""A folder of simulated records in PTB-XL's own layout, with the truth beside it."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgpipe.acquire.simulate.cohort import Cohort, patient_chart, plan_cohort
from ecgpipe.acquire.simulate.findings import statements_csv
from ecgpipe.acquire.simulate.metadata import COLUMNS, database_row
from ecgpipe.acquire.simulate.patient import LEADS
from ecgpipe.acquire.simulate.record import SimulatedRecord, simulate_rates
from ecgpipe.errors import ConfigError, DataError

RATES = {100: ("records100", "lr"), 500: ("records500", "hr")}
CHUNK = 100  # records a task
GAIN = 1000  # units a millivolt
INDEX_FILES = ("truth.jsonl", "scp_statements.csv", "RECORDS", "SHA256SUMS.txt", "ptbxl_database.csv")


def simulate_dataset(
    destination: Path,
    *,
    records: int,
    seed: int,
    sampling_rates: Sequence[int] = (100,),
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
    seconds: float = 10.0,
    difficulty: float = 0.25,
    noise: float = 1.0,
    class_mix: Mapping[tuple[str, ...], float] | None = None,
) -> None:
    """Writes ``records`` records with ecg_id 1 to N under ``destination``.

    Signals and metadata of a record depend on ``seed`` and its ecg_id, not on the number of records or workers; only
    its fold also depends on ``records``. Every file appears under its name when it is whole, the tables
    last and ``ptbxl_database.csv`` after all others.

    Args:
        destination: a new folder, or one that an interrupted simulation left.
        sampling_rates: 100, 500 or both; both are the same recordings.
        progress: called with (records done, records) after every chunk.
        workers: processes.
        seconds: length of each record.
        difficulty: the share of findings short of their textbook criterion (0 to 1).
        noise: multiplies all noise.
        class_mix: relative frequency of sets of superclasses, such as ``{("NORM",): 1, ("MI", "CD"): 1}``;
            PTB-XL's by default.

    Raises:
        ConfigError: an argument is out of its range.
        DataError: ``destination`` holds a data set already.
    """
    if not sampling_rates or set(sampling_rates) - set(RATES):
        raise ConfigError(f"sampling_rates {tuple(sampling_rates)}: PTB-XL's layout has 100 and 500 Hz")
    if seed < 0 or workers < 1:
        raise ConfigError(f"seed {seed} must not be negative, and workers {workers} must be 1 or more")
    destination = Path(destination)
    if (destination / "ptbxl_database.csv").exists():
        raise DataError(f"{destination} holds a data set already: choose another folder, or delete that one first")
    cohort = plan_cohort(records, seed, class_mix)
    rates = tuple(sorted(set(sampling_rates)))
    for rate in rates:
        for thousand in range(0, records + 1, 1000):
            (destination / RATES[rate][0] / f"{thousand:05d}").mkdir(parents=True, exist_ok=True)
    for name in reversed(INDEX_FILES):
        (destination / name).unlink(missing_ok=True)
    settings = {"seconds": seconds, "difficulty": difficulty, "noise": noise}
    tasks = [
        _Task(destination, seed, rates, settings, range(first, min(first + CHUNK, records)), cohort)
        for first in range(0, records, CHUNK)
    ]
    _write_index(destination, rates, records, _run(tasks, workers), progress)


@dataclass(frozen=True)
class _Task:
    """The records to write in one go; ``rows`` are rows of the cohort."""

    destination: Path
    seed: int
    rates: tuple[int, ...]
    settings: dict[str, float]
    rows: range
    cohort: Cohort

    def __post_init__(self) -> None:
        # A task carries its own rows of the cohort only, so that pickling stays cheap.
        part = slice(self.rows.start, self.rows.stop)
        plan = self.cohort
        columns = (plan.patient[part], plan.fold[part], plan.visit[part], plan.classes[part], plan.condition[part])
        object.__setattr__(self, "cohort", Cohort(*columns, plan.mix))


@dataclass(frozen=True)
class _Written:
    """What a task adds to the tables."""

    records: int
    database: str
    truth: str
    checksums: str


def _run(tasks: list[_Task], workers: int) -> Iterator[_Written]:
    if workers == 1:
        yield from map(_write_records, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_write_records, tasks)


def _write_index(
    destination: Path,
    rates: tuple[int, ...],
    records: int,
    parts: Iterator[_Written],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Gathers the tables while the records are written, and gives them their names at the end."""
    partial = {name: destination / f".{name}.partial" for name in INDEX_FILES}
    done = 0
    # Streamed, so that memory does not hold the tables of all records.
    with (
        partial["ptbxl_database.csv"].open("w") as database,
        partial["truth.jsonl"].open("w") as truth,
        partial["SHA256SUMS.txt"].open("w") as sums,
    ):
        database.write(",".join(COLUMNS) + "\n")
        for part in parts:
            database.write(part.database)
            truth.write(part.truth)
            sums.write(part.checksums)
            done += part.records
            if progress:
                progress(done, records)
    partial["scp_statements.csv"].write_text(statements_csv())
    with partial["RECORDS"].open("w") as names:
        names.writelines(f"{_name(ecg_id, rate)}\n" for rate in rates for ecg_id in range(1, records + 1))
    with partial["SHA256SUMS.txt"].open("a") as sums:
        sums.writelines(f"{_sha256_of(partial[n])}  {n}\n" for n in INDEX_FILES if n != "SHA256SUMS.txt")
    for name in INDEX_FILES:
        os.replace(partial[name], destination / name)


def _write_records(task: _Task) -> _Written:
    database, truth = io.StringIO(), []
    rows = csv.writer(database, lineterminator="\n")
    checksums = []
    for place, row in enumerate(task.rows):
        ecg_id, patient_id = row + 1, int(task.cohort.patient[place])
        superclasses = task.cohort.mix[task.cohort.classes[place]]
        condition = task.cohort.mix[task.cohort.condition[place]]
        visit = int(task.cohort.visit[place])
        versions = simulate_one(
            task.seed, ecg_id, patient_id, superclasses, condition, task.rates, visit=visit, **task.settings
        )
        for rate, record in versions.items():
            checksums.append(_write_signal(task.destination, _name(ecg_id, rate), record))
        record = versions[task.rates[0]]
        files = (_name(ecg_id, 100), _name(ecg_id, 500))
        rng = np.random.default_rng([task.seed, 4, ecg_id])
        fold = int(task.cohort.fold[place])
        rows.writerow(database_row(rng, record, superclasses, ecg_id, patient_id, fold, files))
        stored = {"ecg_id": ecg_id, "patient_id": patient_id, "superclasses": superclasses}
        truth.append(json.dumps(stored | record.truth.to_dict(), separators=(",", ":")) + "\n")
    return _Written(len(task.rows), database.getvalue(), "".join(truth), "".join(checksums))


def simulate_one(
    seed: int,
    ecg_id: int,
    patient_id: int,
    superclasses: tuple[str, ...],
    condition: tuple[str, ...],
    sampling_rates: Sequence[int],
    *,
    visit: int = 0,
    difficulty: float = 0.25,
    **settings: float,
) -> dict[int, SimulatedRecord]:
    """Record ``ecg_id`` of the data set with this ``seed``, at each rate, from its own random stream and its patient's.

    Args:
        condition: the superclasses of the patient's first record, which go with age and sex.
        visit: which of the patient's records it is, from 0.
        settings: ``seconds`` and ``noise`` of ``simulate_record``.
    """
    chart = patient_chart(seed, patient_id, condition, difficulty)
    rng = np.random.default_rng([seed, 2, ecg_id])
    findings = chart.findings(superclasses, visit, rng)
    rhythm_code = chart.rhythm(superclasses, findings, rng)
    return simulate_rates(
        rng,
        superclasses,
        sampling_rates,
        patient=chart.patient,
        findings=findings,
        rhythm_code=rhythm_code,
        **settings,  # type: ignore[arg-type]
    )


def _name(ecg_id: int, rate: int) -> str:
    folder, suffix = RATES[rate]
    return f"{folder}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{suffix}"


def _write_signal(destination: Path, name: str, record: SimulatedRecord) -> str:
    """Writes a record in WFDB format 16 and returns its two lines of SHA256SUMS.txt."""
    units = np.clip(np.rint(record.signal * GAIN), -32767, 32767).astype("<i2")
    base = name.rsplit("/", 1)[1]
    checks = units.sum(axis=1, dtype=np.int64) % 65536
    lines = [f"{base} {len(LEADS)} {record.sampling_rate} {units.shape[1]}"]
    for lead, first, check in zip(LEADS, units[:, 0], checks, strict=True):
        lines.append(f"{base}.dat 16 {GAIN}.0(0)/mV 16 0 {first} {check} 0 {lead}")
    contents = {".dat": units.T.tobytes(), ".hea": ("\n".join(lines) + "\n").encode()}
    for suffix, content in contents.items():
        _write_whole(destination / (name + suffix), content)
    return "".join(f"{_sha256(content)}  {name}{suffix}\n" for suffix, content in contents.items())


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
