"""Anomalous signals, and records whose properties differ from the rest of their dataset."""

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ecgpipe.lead_names import LEADS

CLIPPED_SECONDS = 0.04
FLAT_SECONDS = 1.0
RESIDUAL = 0.1
LARGE, SMALL = 20.0, 0.05
"""mV from peak to peak: above a physiological amplitude, below a visible trace."""


def signal_anomalies(signal: np.ndarray, rate: float) -> list[tuple[str, str]]:
    """Return the anomalies of a signal (12, samples) in mV at ``rate`` Hz, as (kind, detail)."""
    anomalies = []
    high, low = signal.max(axis=1), signal.min(axis=1)
    for row, lead in enumerate(LEADS):
        flat = longest_run(np.diff(signal[row]) == 0) + 1
        if flat >= FLAT_SECONDS * rate:
            anomalies.append(("flat-segment", f"{lead}: {flat / rate:.1f} s at one value"))
        for extreme in (high[row], low[row]):
            held = signal[row] == extreme
            inner, edge = longest_run(_without_edges(held)), max(_run_at_start(held), _run_at_start(held[::-1]))
            for run, kind, where in ((inner, "clipped", ""), (edge, "held-edge", " at the record's start or end")):
                if CLIPPED_SECONDS * rate <= run < FLAT_SECONDS * rate and run > 2:
                    anomalies.append((kind, f"{lead}: {run / rate:.2f} s at its extreme, {extreme:.2f} mV{where}"))
    span = high - low
    for row in np.flatnonzero((span > LARGE) | (span < SMALL)):
        anomalies.append(("amplitude", f"{LEADS[row]}: {span[row]:.3g} mV from peak to peak"))
    for i in range(12):
        for j in range(i + 1, 12):
            if np.array_equal(signal[i], signal[j]):
                anomalies.append(("same-lead", f"{LEADS[i]} and {LEADS[j]} are identical"))
    for name, residual in limb_residuals(signal).items():
        if residual > RESIDUAL:
            anomalies.append(("limb-leads", f"{name} is off by {100 * residual:.0f}% of the limb leads"))
    return anomalies


def limb_residuals(signal: np.ndarray) -> dict[str, float]:
    """Return the RMS deviation from Einthoven's and Goldberger's relations, relative to the RMS of leads I and II."""
    one, two, three, avr, avl, avf = signal[:6] - signal[:6].mean(axis=1, keepdims=True)
    scale = max(float(np.sqrt((one**2 + two**2).mean())), 1e-9)
    wrong = {
        "II = I + III": one + three - two,
        "aVR = -(I + II) / 2": avr + (one + two) / 2,
        "aVL = (I - III) / 2": avl - (one - three) / 2,
        "aVF = (II + III) / 2": avf - (two + three) / 2,
    }
    return {name: float(np.sqrt((residual**2).mean())) / scale for name, residual in wrong.items()}


def _run_at_start(mask: np.ndarray) -> int:
    """Length of the run of true values at the start of a vector."""
    return len(mask) if mask.all() else int(mask.argmin())


def _without_edges(mask: np.ndarray) -> np.ndarray:
    """The vector without the runs of true values at its start and end."""
    return mask[_run_at_start(mask) : len(mask) - _run_at_start(mask[::-1])]


def longest_run(mask: np.ndarray) -> int:
    """Length of the longest run of true values in a vector."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def unusual_properties(sketches: pd.DataFrame) -> Iterable[tuple[str, str, str]]:
    """Yield (record, kind, detail) of records whose value of a property differs from that of at least 90% of records.

    Args:
        sketches: columns record_id and properties of the sketches format.
    """
    number, texts = pd.factorize(sketches["properties"])
    distinct = [json.loads(text) for text in texts]
    for key in sorted({key for properties in distinct for key in properties}):
        values = pd.Series([properties.get(key) for properties in distinct], dtype=object)[number]
        values = pd.Series(values.to_numpy(), index=sketches["record_id"]).dropna()
        counts = values.value_counts()
        usual = min(counts[counts == counts.iloc[0]].index)  # independent of the order in a tie
        share = counts[usual] / len(values)
        if share < 0.9:  # no usual value; the summary counts the values
            continue
        for record_id, value in values[values != usual].items():
            yield record_id, f"unusual {key}", f"{value}, where {share:.1%} have {usual}"
