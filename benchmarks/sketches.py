"""Signal sketches in any number: varied from those of records, with altered copies whose originals are known."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecgpipe.audit.duplicates import DUPLICATE, SHAPES, SHIFT, similarity
from ecgpipe.audit.sketch import SECONDS, sketch_records

LEADS, SAMPLES = SHAPES["signals"]


def details_of(records, source: Path) -> np.ndarray:
    """The details of all readable records, int8 (n, 8, 500)."""
    found = [row["detail"] for row in sketch_records(records, source) if row["digest"]]
    return np.stack([np.frombuffer(detail, np.int8).reshape(LEADS, SAMPLES) for detail in found])


def unrelated(details: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Sums of two records at other heart rates and amplitudes, one of them weaker; float32 (count, 8, 500)."""
    made = np.zeros((count, LEADS, SAMPLES), np.float32)
    for weight in (1, 0.5):
        places = (np.arange(SAMPLES) * rng.uniform(0.8, 1.25) + rng.uniform(0, SAMPLES - 1)) % (SAMPLES - 1)
        left, part = places.astype(int), np.float32(places % 1)
        chosen = details[rng.integers(0, len(details), count)].astype(np.float32)
        gains = rng.lognormal(0, 0.3, (count, LEADS, 1)).astype(np.float32)
        made += weight * gains * (chosen[:, :, left] * (1 - part) + chosen[:, :, left + 1] * part)
    return _with_noise(made, 0.01, rng)


def altered(details: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A later, noisy copy of each record, float32, and whether the audit's definition calls it a duplicate."""
    copies = np.zeros(details.shape, np.float32)
    for number, detail in enumerate(details):
        lag = int(rng.integers(0, SHIFT["signals"][1])) * int(rng.integers(0, 2))
        copies[number, :, : SAMPLES - lag] = detail[:, lag:]
    copies = _with_noise(copies, rng.choice([0, 0.01, 0.02, 0.03], (len(copies), 1, 1)), rng)
    pairs = zip(details, quantized(copies), strict=True)
    values = [similarity(a.astype(np.float32), b.astype(np.float32), SHIFT["signals"]) for a, b in pairs]
    return copies, np.array(values) >= DUPLICATE["signals"]


def _with_noise(details: np.ndarray, share: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 1, details.shape).astype(np.float32)
    return details + np.float32(share) * np.abs(details).max(axis=(1, 2), keepdims=True) * noise


def quantized(details: np.ndarray) -> np.ndarray:
    """Details as the audit stores them: above 0.5 Hz, int8."""
    spectra = np.fft.rfft(details, axis=2)
    spectra[:, :, : SECONDS // 2] = 0
    return _scaled(np.fft.irfft(spectra, SAMPLES, axis=2))


def sketches_of(details: np.ndarray) -> np.ndarray:
    """The sketches of details, as ``audit.sketch.compare_vectors`` makes them, int8 (n, 1600)."""
    spectra = np.fft.rfft(details.astype(np.float32), axis=2)
    return _scaled(np.sqrt(np.abs(spectra[:, :, : 20 * SECONDS]))).reshape(len(details), -1)


def _scaled(maps: np.ndarray) -> np.ndarray:
    return np.round(maps * (127 / np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-9))).astype(np.int8)


def made_in_parts(details: np.ndarray, records: int, seed: int, part: int = 1000) -> Iterator[tuple[np.ndarray, int]]:
    """Details of records, int8 (part, 8, 500), whose last ten copy the first ten, and the number of duplicates."""
    rng = np.random.default_rng(seed)
    for start in range(0, records, part):
        made = quantized(unrelated(details, min(part, records - start), rng))
        copies, close = altered(made[:10], rng)
        made[-10:] = quantized(copies)
        yield made, int(close.sum())
