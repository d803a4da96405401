"""What an audit keeps of a signal, and what may be odd about it."""

import hashlib

import numpy as np
import wfdb
from scipy.signal import resample_poly

from ecgpipe.artifacts.signals import LEADS, read_record
from ecgpipe.artifacts.source import Source
from ecgpipe.audit.sketch import Sketch

RATE = 50
"""Hz of what is compared: an ECG's energy is below 25 Hz."""
SECONDS = 10
INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
CLIPPED_SECONDS = 0.04
FLAT_SECONDS = 1.0
RESIDUAL = 0.1
LARGE, SMALL = 20.0, 0.05
"""mV from peak to peak: more than a heart makes, less than a trace shows."""


def sketch_signal(source: Source, path: str, record_id: str, derive_leads: bool = False) -> Sketch:
    """Digest, spectra, low-passed signal and oddities of a WFDB record.

    Args:
        source: where the raw files are.
        path: the record's name there, without suffix.
        record_id: for messages.
        derive_leads: as ``read_record``.

    Returns:
        ``sketch`` (8 x 200,): magnitudes of the spectrum up to 20 Hz, which a lag does not change; ``detail`` (8, 500):
        the first 10 s of the independent leads at 50 Hz, scaled to their largest value.

    Raises:
        RecordError: as read_record.
    """
    signal, rate = read_record(source, path, record_id, derive_leads=derive_leads)
    with source.record(path) as local:
        header = wfdb.rdheader(str(local))
    names = [name.upper() for name in header.sig_name]
    gains = sorted({f"{gain:g}/{unit}" for gain, unit in zip(header.adc_gain, header.units, strict=True)})
    form = {
        "sampling rate": f"{rate:g} Hz",
        "duration": f"{signal.shape[1] / rate:g} s",
        "gain": ", ".join(gains),
        "leads": " ".join(names),
    }
    anomalies = signal_anomalies(signal, rate)
    if [name for name in names if name in LEADS] != list(LEADS):
        anomalies.append(("lead-order", " ".join(header.sig_name)))
    digest = hashlib.sha256(f"{rate:g}".encode() + np.round(signal * 1e6).astype("<i8").tobytes()).hexdigest()
    sketch, detail = compare_vectors(signal, rate)
    return Sketch(digest, form, anomalies, sketch, detail)


def compare_vectors(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The two int8 arrays of sketch_signal from a signal (12, samples) in mV."""
    window = signal[INDEPENDENT, : round(SECONDS * rate)]
    window = window - np.median(window, axis=1, keepdims=True)
    low = resample_poly(window, RATE, round(rate), axis=1)[:, : RATE * SECONDS]
    low = np.pad(low, ((0, 0), (0, RATE * SECONDS - low.shape[1])))
    spectrum = np.fft.rfft(low, axis=1)
    spectrum[:, : SECONDS // 2] = 0  # below 0.5 Hz: the baseline wanders
    detail = np.fft.irfft(spectrum, RATE * SECONDS, axis=1)
    magnitude = np.sqrt(np.abs(spectrum[:, : 20 * SECONDS]))
    return tuple(
        np.round(part * (127 / max(np.abs(part).max(), 1e-9))).astype(np.int8) for part in (magnitude.ravel(), detail)
    )


def signal_anomalies(signal: np.ndarray, rate: float) -> list[tuple[str, str]]:
    """Oddities of a signal (12, samples) in mV at ``rate`` Hz, as (kind, detail)."""
    found = []
    high, low = signal.max(axis=1), signal.min(axis=1)
    for row, lead in enumerate(LEADS):
        flat = longest_run(np.diff(signal[row]) == 0) + 1
        if flat >= FLAT_SECONDS * rate:
            found.append(("flat-segment", f"{lead}: {flat / rate:.1f} s at one value"))
        for extreme in (high[row], low[row]):
            held = signal[row] == extreme
            inner, edge = longest_run(_without_edges(held)), max(_run_at_start(held), _run_at_start(held[::-1]))
            for run, kind, where in ((inner, "clipped", ""), (edge, "held-edge", " at the record's start or end")):
                if CLIPPED_SECONDS * rate <= run < FLAT_SECONDS * rate and run > 2:
                    found.append((kind, f"{lead}: {run / rate:.2f} s at its extreme, {extreme:.2f} mV{where}"))
    span = high - low
    for row in np.flatnonzero((span > LARGE) | (span < SMALL)):
        found.append(("amplitude", f"{LEADS[row]}: {span[row]:.3g} mV from peak to peak"))
    for i in range(12):
        for j in range(i + 1, 12):
            if np.array_equal(signal[i], signal[j]):
                found.append(("same-lead", f"{LEADS[i]} and {LEADS[j]} are the same"))
    for name, residual in limb_residuals(signal).items():
        if residual > RESIDUAL:
            found.append(("limb-leads", f"{name} is off by {100 * residual:.0f}% of the limb leads"))
    return found


def limb_residuals(signal: np.ndarray) -> dict[str, float]:
    """How far the limb leads are from Einthoven's and Goldberger's relations: RMS against the RMS of leads I and II."""
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
    """Length of the run of true values that a vector begins with."""
    return len(mask) if mask.all() else int(mask.argmin())


def _without_edges(mask: np.ndarray) -> np.ndarray:
    """The vector without the runs of true values that it begins and ends with."""
    return mask[_run_at_start(mask) : len(mask) - _run_at_start(mask[::-1])]


def longest_run(mask: np.ndarray) -> int:
    """Length of the longest run of true values in a vector."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
