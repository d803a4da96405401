"""The bootstrap over patients, its confidence intervals, and the mean over seeds.

Records that belong together (of one patient, or duplicates of one file) are resampled together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgpipe.errors import DataError

CHUNK = 250  # resamples per call of the generator; changing it changes the resamples of a seed
WEIGHTS = 2**20
"""Records times resamples that are weighted at once; 8 MB as float64, and the scores need several such arrays."""
FEWEST = 8  # resamples at once, even for many records: fewer would be slow
DRAWS = 2**18  # random numbers at once
SHIFTED = "no interval: resampling shifts this score too much"
NO_SPREAD = "every resample has this value, so there is no interval"


def resampling_groups(record_ids: np.ndarray, records: pd.DataFrame) -> np.ndarray:
    """The group of each record: its patient if known, else the content of its file if known, else the record itself.

    Raises:
        DataError: a record is not in the table, for example because the dataset has changed.
    """
    rows = records.set_index("record_id").reindex(record_ids)
    if len(absent := np.setdiff1d(record_ids, records["record_id"])):
        raise DataError(
            f"{len(absent)} records, such as {absent[0]}, are not in records.parquet; run the workflow again"
        )
    alone = "record " + pd.Series(record_ids, index=rows.index)  # a patient may have the same number
    content = rows["content"].where(rows["content"].fillna("") != "", alone)
    return rows["patient_id"].fillna(content).to_numpy(dtype=str)


def distinct_groups(*groups: np.ndarray) -> np.ndarray:
    """Sorted names of all groups."""
    return np.unique(np.concatenate(groups))


def group_counts(
    groups: int, resamples: int, seed: int | tuple[int, ...], records: int | None = None
) -> Iterator[np.ndarray]:
    """How often each group is in each resample, which draws as many groups as there are, with replacement.

    Args:
        groups: number of groups.
        resamples: B.
        seed: the same seed gives the same resamples for any ``records``.
        records: number of records that the caller weights; the more, the fewer resamples at a time. None: ``groups``.

    Yields:
        (groups, at most CHUNK) float64, one column per resample.
    """
    generator = np.random.default_rng(seed)
    most = max(FEWEST, WEIGHTS // max(groups, records or 0))
    for start in range(0, resamples, CHUNK):
        counts = _counts(generator, groups, min(CHUNK, resamples - start))
        for part in np.array_split(np.arange(counts.shape[1]), -(-counts.shape[1] // most)):
            yield counts[:, part[0] : part[-1] + 1].astype(float)


def _counts(generator: np.random.Generator, groups: int, size: int) -> np.ndarray:
    """(groups, size) uint8, in blocks of rows to save memory.

    A count above 255 is impossible with up to 255 groups, and with more has a probability below 1 / 256!.
    """
    counts, one = np.zeros(groups * size, np.uint8), np.uint8(1)
    rows = max(1, DRAWS // size)
    for start in range(0, groups, rows):
        sampled = generator.integers(0, groups, size=(min(rows, groups - start), size))
        sampled *= size
        sampled += np.arange(size)
        np.add.at(counts, sampled.ravel(), one)
    return counts.reshape(groups, size)


def bootstrap_interval(
    value: float, samples: np.ndarray, confidence: float, missing: str = "not measurable", biased: bool = False
) -> dict:
    """A value with its confidence interval from resamples.

    The interval is the percentile interval. For scores that resampling inflates, such as the calibration error, it is
    the basic interval, which reflects the resamples about the value (Davison and Hinkley 1997, section 5.2), cut at 0.
    If the value lies outside the percentile interval, the resamples are too biased, and there is no interval.

    Args:
        value: NaN if undefined.
        samples: (B,) its values in the resamples; NaN where undefined.
        confidence: level.
        missing: the note if the value is undefined.
        biased: use the basic interval.

    Returns:
        ``value``, ``low``, ``high`` and ``note``. Undefined numbers are None, and the note says why; else it is None.
    """
    if np.isnan(value):
        return {"value": None, "low": None, "high": None, "note": missing}
    known = samples[~np.isnan(samples)]
    if len(known) < len(samples) / 2:
        note = f"no interval: undefined in {len(samples) - len(known)} of {len(samples)} resamples"
        return {"value": float(value), "low": None, "high": None, "note": note}
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    if high - low < 1e-12:  # rounding
        return {"value": float(value), "low": None, "high": None, "note": NO_SPREAD}
    if not low <= value <= high:
        return {"value": float(value), "low": None, "high": None, "note": SHIFTED}
    if biased:
        low, high = max(0.0, 2 * value - high), 2 * value - low
    note = None
    if len(known) < len(samples):
        note = f"interval from {len(known)} of {len(samples)} resamples; undefined in the others"
    return {"value": float(value), "low": float(low), "high": float(high), "note": note}


def join_notes(notes: Iterable[str | None]) -> str | None:
    """Notes in one line; None if there are none."""
    return "; ".join(filter(None, notes)) or None


def bootstrap_p(samples: np.ndarray) -> float | None:
    """Two-sided p value of a difference: twice the smaller share of resamples on either side of 0.

    A resample of exactly 0 counts on both sides. One is added to both counts (Davison and Hinkley 1997, equation 4.11),
    so that p is at least 2 / (B + 1). None without resamples.
    """
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return None
    tail = min((samples <= 0).sum(), (samples >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(samples) + 1)))


def resamples_for(comparisons: int, alpha: float, configured: int) -> int:
    """Number of resamples with which the smallest p value, corrected for this many comparisons, is at most alpha / 2.

    At least the configured number.
    """
    return max(configured, int(np.ceil(4 * comparisons / alpha)))


@dataclass(frozen=True)
class SeedMean:
    """A score's mean over seeds.

    Args:
        value: NaN if no seed has the score.
        samples: (B,) resamples of the mean, over patients and runs.
        between: standard deviation between runs; None with one seed.
    """

    value: float
    samples: np.ndarray
    between: float | None


def mean_over_seeds(values: np.ndarray, samples: np.ndarray, seed: int) -> SeedMean:
    """Mean over seeds, with the variance due to patients and that between runs.

    The model: score of one seed = truth + effect of the records + effect of the run. Resampling the same patients for
    all seeds gives the variance of the mean due to the records. The variance between seeds contains both; subtracting
    the variance due to the records, known from the resamples, leaves that between runs. The mean of S seeds has 1 / S
    of that variance. Because it is estimated from few seeds, its effect follows Student's t distribution with S - 1
    degrees of freedom.

    Args:
        values: (S,) a score, or a difference of scores, of each seed; NaN where undefined.
        samples: (S, B) their resamples, with the same patients in each column.
        seed: seed for the random effect of the runs.
    """
    known = ~np.isnan(values)
    values, samples = values[known], samples[known]
    if not len(values):
        return SeedMean(np.nan, np.full(samples.shape[1], np.nan), None)
    mean = samples.mean(axis=0)
    if len(values) == 1:
        return SeedMean(float(values[0]), mean, None)
    errors = samples - values[:, None]
    by_records = np.nanmean(errors.var(axis=0, ddof=1)) if not np.isnan(errors).all() else 0.0
    between = float(np.sqrt(max(0.0, values.var(ddof=1) - by_records)))
    student = np.random.default_rng([seed, 1]).standard_t(len(values) - 1, size=len(mean))
    return SeedMean(float(values.mean()), mean + between / np.sqrt(len(values)) * student, between)
