"""The recordings that are drawn on the synthetic training pages."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import resample_poly

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source
from ecgpipe.errors import DataError, RecordError
from ecgpipe.progress import progress

SAMPLING_RATE = 500
SECONDS = 10
TEST_FOLDS = (9, 10)
"""Folds of PTB-XL that must not be used for training."""
LIMIT = 32_000  # microvolts, within int16


def collect_signals(
    datasets: Iterable[tuple[str, pd.DataFrame, dict]], records: int, seed: int, path: Path | str
) -> int:
    """Write recordings as one array, int16 (records, 12, 5000), microvolts at 500 Hz.

    Recordings of folds 9 and 10, unreadable ones and those shorter than 10 s are left out.

    Args:
        datasets: name, rows of records.parquet, and ``source`` and ``derive_leads`` as in ``imaging.pages``.
        records: largest number of recordings per dataset; a random sample.
        seed: of the sample.
        path: .npy file.

    Returns:
        The number of recordings.

    Raises:
        DataError: there is none.
    """
    signals = []
    for name, table, drawing in datasets:
        table = table[~table["fold"].isin(TEST_FOLDS)]
        chosen = table.sample(min(records, len(table)), random_state=seed).sort_index()
        source = open_source(drawing["source"])
        for row in progress(list(chosen.itertuples()), f"signals of {name}"):
            try:
                signal, rate = read_record(
                    source, row.path, row.record_id, None, drawing["derive_leads"], **drawing.get("reading", {})
                )
            except RecordError:
                continue
            ratio = Fraction(SAMPLING_RATE / rate).limit_denominator(1000)
            resampled = resample_poly(signal, ratio.numerator, ratio.denominator, axis=1, padtype="line")
            if resampled.shape[1] >= SAMPLING_RATE * SECONDS:
                microvolts = 1000 * resampled[:, : SAMPLING_RATE * SECONDS]
                signals.append(np.rint(microvolts).clip(-LIMIT, LIMIT).astype(np.int16))
    if not signals:
        raise DataError("no readable recording of 10 s for the page reader; add ptb-xl or simulated to datasets")
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.save(file, np.stack(signals))
    return len(signals)
