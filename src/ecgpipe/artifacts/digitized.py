"""digitized/<shard>.npz: the recordings that were digitized from the pages of a shard.

``signals`` has one length: shorter recordings are filled with NaN. ``details`` is JSON, one text per record.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgpipe.artifacts.files import read_arrays, write_arrays
from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS

SAMPLING_RATE = 500
"""Hz."""
DETAILS = ("layout", "speed_mm_per_s", "gain_mm_per_mv", "missing", "digitized", "notes")
"""The keys that are kept of the JSON of ``ecgpipe digitize``."""


@dataclass(frozen=True)
class DigitizedRecord:
    """One record of the file.

    Attributes:
        record_id: its id.
        signal: float (12, samples) mV, leads in the order of LEADS; NaN where the page shows nothing.
        details: the keys DETAILS.
    """

    record_id: str
    signal: np.ndarray
    details: dict[str, Any]


def write_digitized(records: Sequence[DigitizedRecord], path: Path | str) -> None:
    """Write the records of a shard, possibly none, atomically."""
    longest = max((record.signal.shape[1] for record in records), default=0)
    signals = np.full((len(records), len(LEADS), longest), np.nan, np.float16)
    for row, record in zip(signals, records, strict=True):
        row[:, : record.signal.shape[1]] = record.signal
    write_arrays(
        path,
        record_ids=np.array([record.record_id for record in records], str),
        signals=signals,
        sampling_rate=np.array(SAMPLING_RATE),
        details=np.array([json.dumps(record.details, allow_nan=False) for record in records], str),
    )


def read_digitized(path: Path | str) -> list[DigitizedRecord]:
    """The records of a shard; signals float16 (12, samples).

    Raises:
        DataError: missing, damaged, or with unexpected content.
    """
    stored = read_arrays(path, ("record_ids", "signals", "sampling_rate", "details"))
    signals, rate = stored["signals"], stored["sampling_rate"]
    fits = signals.dtype == np.float16 and signals.ndim == 3 and signals.shape[1] == len(LEADS)
    if not fits or rate != SAMPLING_RATE or not len(signals) == len(stored["record_ids"]) == len(stored["details"]):
        raise DataError(
            f"{path}: expected float16 (records, {len(LEADS)}, samples) at {SAMPLING_RATE} Hz, found {signals.dtype} "
            f"{signals.shape} at {rate} Hz; delete it and run again"
        )
    try:
        details = [json.loads(text) for text in stored["details"]]
    except ValueError as error:
        raise DataError(f"{path}: damaged details ({error}); delete it and run again") from error
    ids = (str(record_id) for record_id in stored["record_ids"])
    return [DigitizedRecord(*row) for row in zip(ids, signals, details, strict=True)]


def count_digitized(path: Path | str) -> int:
    """Number of records in a file; errors as ``read_digitized``."""
    return len(read_arrays(path, ("record_ids",))["record_ids"])
