"""The signals of one shard for the signal reference: what the images were drawn from."""

from math import gcd
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import resample_poly

from ecgpipe.artifacts.baselines import SAMPLING_RATE, SIGNALS_SHAPE, BaselineSignals
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source
from ecgpipe.errors import RecordError
from ecgpipe.progress import progress


def shard_signals(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    *,
    title: str,
    derive_leads: bool = False,
) -> BaselineSignals:
    """The shard's signals at 100 Hz, 10 s; records that cannot be read are left out, as they have no page either.

    Args:
        records: the shard's rows of records.parquet.
        source: folder or zip archive that the records' paths start from.
        sampling_rate: Hz that every header must state; None accepts any.
        title: of the progress bar.
        derive_leads: as ``read_record``.
    """
    opened, ids, signals = open_source(source), [], []
    rows = list(zip(records["record_id"], records["path"], strict=True))
    for record_id, path in progress(rows, title, len(rows), "records"):
        try:
            signal, rate = read_record(opened, path, record_id, sampling_rate, derive_leads)
        except RecordError:  # listed by the stage that draws
            continue
        ids.append(record_id)
        signals.append(as_reference(signal, rate))
    return BaselineSignals(np.array(ids, str), np.array(signals, np.float16).reshape(-1, *SIGNALS_SHAPE))


def as_reference(signal: np.ndarray, rate: float) -> np.ndarray:
    """(12, samples) mV at any rate -> (12, 1000) float32 at 100 Hz, cut to the first 10 s or filled with zeros.

    The median of each lead is taken off: the paper's baseline is no part of the signal.
    """
    up, down = round(SAMPLING_RATE * 1000), round(rate * 1000)
    common = gcd(up, down)
    if up != down:
        signal = resample_poly(signal, up // common, down // common, axis=1, padtype="line")
    signal = signal - np.median(signal, axis=1, keepdims=True)
    result = np.zeros(SIGNALS_SHAPE, np.float32)
    length = min(signal.shape[1], SIGNALS_SHAPE[1])
    result[:, :length] = signal[:, :length]
    return result
