"""The dynamical dipole: beats, shapes and a torso become electrode potentials.

Sources: McSharry et al., "A dynamical model for generating synthetic electrocardiogram signals", IEEE Trans Biomed
Eng 50, 2003 (ECGSYN); Clifford, Nemati, Sameni, "An artificial vector model for generating abnormal
electrocardiographic rhythms", Physiol Meas 31, 2010 (three dimensions and a lead matrix).
"""

import numpy as np

from ecgpipe.acquire.simulate.leads import rotation
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.rhythm import ATRIAL, VENTRICULAR, Beats, Respiration

BREATHING_TURN = 3.0  # degrees that a breath turns the heart, and
BREATHING_GAIN = 0.04  # the share by which it changes the amplitudes


def ectopic_morphology(rng: np.random.Generator, dominant: Morphology) -> Morphology:
    """A ventricular ectopic beat: no P, QRS of 130 to 170 ms from one ventricle, ST and T opposite to it."""
    beat = dominant.copy()
    beat.p_at, beat.p_width, beat.p_vectors = np.empty(0), np.empty(0), np.empty((0, 3))
    beat.qrs = float(rng.uniform(0.130, 0.170))
    side = 1.0 if rng.random() < 0.6 else -1.0  # from the right ventricle (left bundle pattern) or from the left
    direction = np.array([side * rng.uniform(0.6, 1.2), rng.uniform(-0.9, 0.9), side * rng.uniform(0.3, 0.9)])
    beat.qrs_at, beat.qrs_width = np.array([0.32, 0.58, 0.80]), np.array([0.12, 0.12, 0.075])
    turned = rotation(float(rng.uniform(-35, 35)), float(rng.uniform(-25, 25)))
    beat.qrs_vectors = np.array([0.9 * direction, 0.9 * turned @ direction, -0.25 * direction])
    beat.st = -0.13 * direction
    beat.t = -0.50 * direction
    beat.t_end, beat.st_sag = np.zeros(3), np.zeros(3)
    return beat


def premature_atrial_morphology(rng: np.random.Generator, dominant: Morphology) -> Morphology:
    """A beat from elsewhere in the atria: another P and PR, the ventricles as ever."""
    beat = dominant.copy()
    beat.p_vectors = beat.p_vectors @ rotation(float(rng.uniform(-120, 60)), float(rng.uniform(-60, 60))).T
    beat.pr = max(0.11, beat.pr + float(rng.uniform(-0.03, 0.02)))
    beat.p_duration = min(beat.p_duration, beat.pr - 0.01)
    return beat


def electrode_potentials(
    time: np.ndarray,
    beats: Beats,
    shapes: dict[str, Morphology],
    torso: np.ndarray,
    respiration: Respiration,
    beat_gain: np.ndarray,
) -> np.ndarray:
    """(9, samples) mV at ``time`` (evenly spaced seconds).

    Args:
        shapes: the morphology of each kind of beat.
        torso: (3, 9, 3), as in ``Patient``.
        beat_gain: (B,) amplitude of each beat, about 1.
    """
    potentials = np.zeros((9, len(time)))
    step = time[1] - time[0]
    for onset, cycle, kind, gain in zip(beats.onset, beats.cycle, beats.kind, beat_gain, strict=True):
        shape = shapes[kind]
        kernels = shape.kernels(cycle)
        first = int((onset - shape.pr - 0.1 - time[0]) / step)
        last = int((onset + shape.qt(cycle) + 0.25 - time[0]) / step)
        window = slice(max(0, first), max(0, last))
        breath = float(respiration(onset))
        turned = kernels.vector @ rotation(BREATHING_TURN * breath, 0.5 * BREATHING_TURN * breath).T
        pattern = np.einsum("kes,ks->ek", torso[kernels.wave], turned) * gain * (1 - BREATHING_GAIN * breath)
        potentials[:, window] += pattern @ kernels.at(time[window] - onset)
    return potentials


def fibrillation(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """(samples, 3) mV: the atria's vector in fibrillation, 5 to 8 waves a second of changing size, largest in V1."""
    rate, drift = rng.uniform(5, 8), rng.uniform(0.1, 0.4)
    size = np.exp(rng.normal(np.log(0.035), 0.5))
    phase = 2 * np.pi * rate * time + 1.2 * np.sin(2 * np.pi * drift * time + rng.uniform(0, 6.3))
    swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * time + rng.uniform(0, 6.3))
    shift = rng.uniform(0, 6.3, 3)
    return np.stack(
        [
            share * size * swell * (np.sin(phase + s) + 0.4 * np.sin(2 * phase + 2 * s))
            for share, s in zip((0.3, 0.8, 1.0), shift, strict=True)
        ],
        axis=1,
    )


def flutter(rng: np.random.Generator, time: np.ndarray, cycle: float) -> np.ndarray:
    """(samples, 3) mV: saw teeth of ``cycle`` seconds, negative in the inferior leads, upright in V1."""
    phase = 2 * np.pi * time / cycle + rng.uniform(0, 6.3)
    saw = sum(np.sin(k * phase) / k for k in range(1, 5))
    return float(rng.uniform(0.06, 0.14)) * saw[:, None] * np.array([0.1, 1.0, -0.6])


def shape_of(kind: str, dominant: Morphology, rng: np.random.Generator) -> Morphology:
    """The morphology of beats of ``kind``."""
    if kind == VENTRICULAR:
        return ectopic_morphology(rng, dominant)
    return premature_atrial_morphology(rng, dominant) if kind == ATRIAL else dominant
