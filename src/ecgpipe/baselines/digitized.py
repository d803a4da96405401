"""Digitized recordings in the form that the signal reference reads, to measure the cost of digitizing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.baselines import SIGNALS_SHAPE, BaselineSignals
from ecgpipe.artifacts.digitized import SAMPLING_RATE as DIGITIZED_RATE
from ecgpipe.artifacts.digitized import read_digitized
from ecgpipe.models.recordings import at_network_rate


def digitized_signals(record_ids: Sequence[str], file: Path | str) -> BaselineSignals:
    """The signals of a shard's records. A page that could not be digitized gives zeros, since nothing is known of it.

    Args:
        record_ids: (n,) of the shard, digitized or not.
        file: its digitized recordings.
    """
    signals = np.zeros((len(record_ids), *SIGNALS_SHAPE), np.float16)
    rows = {record_id: row for row, record_id in enumerate(record_ids)}
    for record in read_digitized(file):
        if record.record_id in rows:
            signals[rows[record.record_id]] = gaps_as_zero(record.signal, DIGITIZED_RATE)
    return BaselineSignals(np.array(record_ids, str), signals)


def gaps_as_zero(signal: np.ndarray, rate: float) -> np.ndarray:
    """``as_reference`` of a recording with gaps: (12, samples) mV with NaN -> (12, 1000) float32, zero in the gaps."""
    seen = at_network_rate(signal, rate)[:, : SIGNALS_SHAPE[1]]
    reference = np.zeros(SIGNALS_SHAPE, np.float32)
    for row, values in zip(reference, seen, strict=True):
        known = np.isfinite(values)
        if known.any():
            row[: len(values)][known] = values[known] - np.median(values[known])
    return reference
