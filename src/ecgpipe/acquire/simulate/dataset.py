"""A folder of simulated records in PTB-XL's own layout, with their ground truth."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ecgpipe.acquire.simulate.cohort import Cohort, patient_chart, plan_cohort
from ecgpipe.acquire.simulate.metadata import DATABASE_HEADER, database_row, statements_csv
from ecgpipe.acquire.simulate.record import SimulatedRecord, simulate_rates
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.lead_names import LEADS

RATES = {100: "lr", 500: "hr"}
CHUNK = 100  # records per task
GAIN = 1000  # units per mV
TRUTH, STATEMENTS, RECORDS, SUMS, DATABASE = INDEX_FILES = (
    "truth.jsonl", "scp_statements.csv", "RECORDS", "SHA256SUMS.txt", "ptbxl_database.csv"
)  # fmt: skip


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
    """Writes records with ecg_id 1 to ``records`` to ``destination``.

    Signals and metadata of a record depend on ``seed`` and its ecg_id, not on the number of records or workers; only
    its fold also depends on ``records``. Every file appears when it is complete, the tables last, and
    ``ptbxl_database.csv`` after all others.

    Args:
        destination: a new folder, or one of an interrupted simulation.
        records: number of records.
        seed: seed of all random numbers.
        sampling_rates: 100, 500 or both, of the same recordings.
        progress: called with (records done, records) after every chunk.
        workers: processes.
        seconds: length of each record.
        difficulty: fraction of findings below their textbook criterion (0 to 1).
        noise: multiplies all noise.
        class_mix: relative frequency of sets of superclasses, such as ``{("NORM",): 1, ("MI", "CD"): 1}``;
            PTB-XL's by default.

    Raises:
        ConfigError: an argument is out of range.
        DataError: ``destination`` already contains a dataset or other files.
    """
    if not sampling_rates or set(sampling_rates) - set(RATES):
        raise ConfigError(f"sampling_rates {tuple(sampling_rates)}: PTB-XL's layout has 100 and 500 Hz")
    if seed < 0 or workers < 1:
        raise ConfigError(f"seed {seed} must not be negative, and workers {workers} must be 1 or more")
    if not 0 <= difficulty <= 1:
        raise ConfigError(f"difficulty {difficulty:g}: give a fraction from 0 to 1")
    destination = Path(destination)
    if (destination / DATABASE).exists():
        raise DataError(f"{destination} already contains a dataset; choose another folder, or delete that one first")
    others = [name for name in INDEX_FILES if (destination / name).exists()]
    if others and TRUTH not in others:  # an interrupted simulation has the truth first
        raise DataError(f"{destination} contains {', '.join(others)} of something else; choose another folder")
    cohort = plan_cohort(records, seed, class_mix)
    rates = tuple(sorted(set(sampling_rates)))
    for rate in rates:
        for thousand in range(0, records + 1, 1000):
            (destination / _record_path(thousand, rate)).parent.mkdir(parents=True, exist_ok=True)
    for name in reversed(INDEX_FILES):
        (destination / name).unlink(missing_ok=True)
    settings = {"seconds": seconds, "difficulty": difficulty, "noise": noise}
    write = partial(_write_records, destination, seed, rates, settings)
    firsts = range(0, records, CHUNK)
    parts = (cohort.part(first, first + CHUNK) for first in firsts)
    if workers == 1:
        _write_index(destination, rates, records, map(write, firsts, parts), progress)
    else:
        with ProcessPoolExecutor(workers) as pool:
            _write_index(destination, rates, records, pool.map(write, firsts, parts), progress)


def _write_index(
    destination: Path,
    rates: tuple[int, ...],
    records: int,
    parts: Iterable[tuple[str, str, str]],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Collects the tables while the records are written, and names them at the end."""
    partial_files = {name: destination / f".{name}.partial" for name in INDEX_FILES}
    # streamed, so that memory does not grow with the tables
    with (
        partial_files[DATABASE].open("w") as database,
        partial_files[TRUTH].open("w") as truth,
        partial_files[SUMS].open("w") as sums,
    ):
        database.write(DATABASE_HEADER)
        for number, part in enumerate(parts, 1):
            for file, text in zip((database, truth, sums), part, strict=True):
                file.write(text)
            if progress:
                progress(min(number * CHUNK, records), records)
    partial_files[STATEMENTS].write_text(statements_csv())
    with partial_files[RECORDS].open("w") as names:
        names.writelines(f"{_record_path(ecg_id, rate)}\n" for rate in rates for ecg_id in range(1, records + 1))
    with partial_files[SUMS].open("a") as sums:
        for name in INDEX_FILES:
            if name != SUMS:
                with partial_files[name].open("rb") as content:
                    sums.write(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {name}\n")
    for name in INDEX_FILES:
        os.replace(partial_files[name], destination / name)


def _write_records(
    destination: Path, seed: int, rates: tuple[int, ...], settings: dict[str, float], first: int, cohort: Cohort
) -> tuple[str, str, str]:
    """Writes the signals of ``cohort``, whose row 0 has ecg_id ``first`` + 1.

    Returns:
        Their rows of ptbxl_database.csv, truth.jsonl and SHA256SUMS.txt.
    """
    database, truth, checksums = io.StringIO(), [], []
    rows = csv.writer(database, lineterminator="\n")
    for row in range(len(cohort.patient)):
        ecg_id, patient_id = first + row + 1, int(cohort.patient[row])
        superclasses, condition = cohort.mix[cohort.classes[row]], cohort.mix[cohort.condition[row]]
        visit, fold = int(cohort.visit[row]), int(cohort.fold[row])
        versions = simulate_one(seed, ecg_id, patient_id, superclasses, condition, rates, visit=visit, **settings)
        for rate, record in versions.items():
            checksums.append(_write_signal(destination, _record_path(ecg_id, rate), record))
        record = versions[rates[0]]
        files = (_record_path(ecg_id, 100), _record_path(ecg_id, 500))
        rng = np.random.default_rng([seed, 4, ecg_id])
        rows.writerow(database_row(rng, record, superclasses, ecg_id, patient_id, fold, files))
        stored = {"ecg_id": ecg_id, "patient_id": patient_id, "superclasses": superclasses}
        truth.append(json.dumps(stored | record.truth.to_dict(), separators=(",", ":")) + "\n")
    return database.getvalue(), "".join(truth), "".join(checksums)


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
    """Record ``ecg_id`` of the dataset with this ``seed`` at each rate.

    Args:
        condition: superclasses of the patient's first record.
        visit: number of the record among the patient's, from 0.
        settings: ``seconds`` and ``noise`` of ``simulate_rates``.
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


def _record_path(ecg_id: int, rate: int) -> str:
    return f"records{rate}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{RATES[rate]}"


def _write_signal(destination: Path, name: str, record: SimulatedRecord) -> str:
    """Writes a record in WFDB format 16 and returns its two lines of SHA256SUMS.txt."""
    units = np.clip(np.rint(record.signal * GAIN), -32767, 32767).astype("<i2")
    base = name.rsplit("/", 1)[1]
    checks = units.sum(axis=1, dtype=np.int64) % 65536
    lines = [f"{base} {len(LEADS)} {record.sampling_rate} {units.shape[1]}"]
    for lead, first, check in zip(LEADS, units[:, 0], checks, strict=True):
        lines.append(f"{base}.dat 16 {GAIN}.0(0)/mV 16 0 {first} {check} 0 {lead}")
    sums = ""
    for suffix, content in ((".dat", units.T.tobytes()), (".hea", ("\n".join(lines) + "\n").encode())):
        temporary = destination / f"{name.rsplit('/', 1)[0]}/.{base}{suffix}.partial"
        temporary.write_bytes(content)
        os.replace(temporary, destination / (name + suffix))
        sums += f"{hashlib.sha256(content).hexdigest()}  {name}{suffix}\n"
    return sums
