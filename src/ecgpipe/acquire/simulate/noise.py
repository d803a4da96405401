"""Noise at the electrodes: baseline wander, muscle, mains.

The leads are the same differences of the nine electrodes' potentials as for the heart's signal, so they stay
consistent with one another.
"""

from dataclasses import dataclass

import numpy as np

from ecgpipe.acquire.simulate.rhythm import Respiration

BURST = 6.0  # muscle noise in a burst relative to the rest
# Factors of the electrodes (R, L, F, C1 to C6): arms tremble, leg and chest move with the breath. With them simulated
# leads are as noisy between the beats as PTB-XL's normal records.
MUSCLE_AT = np.array([1.0, 1.2, 0.4, 0.5, 0.6, 0.55, 0.5, 0.45, 0.4])
WANDER_AT = np.array([0.7, 0.7, 1.2, 1.0, 1.2, 1.2, 1.2, 1.1, 1.1])


@dataclass(frozen=True)
class NoiseLevels:
    """Standard deviations at each electrode, mV, and artefacts.

    Attributes:
        wander: below 0.5 Hz. breathing: at the respiratory frequency. muscle: 10 to 150 Hz. mains: 50 Hz.
        sensor: white noise. electrodes: (9,) factor of each electrode.
        burst: (start, stop) in seconds of stronger muscle noise, or None.
        settling: (electrode, mV, seconds): an electrode that drifts to its level at the beginning, or None.
        motion: (electrode, mV, second): an electrode that is moved, or None.
    """

    wander: float
    breathing: float
    muscle: float
    mains: float
    sensor: float
    electrodes: np.ndarray
    burst: tuple[float, float] | None
    settling: tuple[int, float, float] | None
    motion: tuple[int, float, float] | None


def sample_noise_levels(rng: np.random.Generator, seconds: float, scale: float) -> NoiseLevels:
    """Noise of a resting ECG; one ECG in eight has much more. ``scale`` multiplies all of it (0: no noise)."""
    worse = 3.0 if rng.random() < 0.12 else 1.0
    wander, breathing, muscle, mains = np.exp(rng.normal(0, (0.55, 0.6, 0.5, 0.8)))
    has_burst, start, length = rng.random() < 0.03, rng.uniform(0, seconds), rng.uniform(0.4, 2.0)
    settles, moves = rng.random(2) < (0.06, 0.04)
    which, (drift, bump) = rng.integers(0, 9, 2), scale * rng.normal(0, 0.5, 2)
    settling = (int(which[0]), float(drift), float(rng.uniform(0.5, 3)))
    motion = (int(which[1]), float(bump), float(rng.uniform(0, seconds)))
    return NoiseLevels(
        wander=float(scale * 0.022 * wander * worse),
        breathing=float(scale * 0.010 * breathing),
        muscle=float(scale * 0.0040 * muscle * worse),
        mains=float(scale * 0.0010 * mains),
        sensor=scale * 0.0008,
        electrodes=np.exp(rng.normal(0, 0.4, 9)),
        burst=(float(start), float(min(seconds, start + length))) if has_burst else None,
        settling=settling if settles else None,
        motion=motion if moves else None,
    )


def electrode_noise(
    rng: np.random.Generator, levels: NoiseLevels, respiration: Respiration, time: np.ndarray
) -> np.ndarray:
    """(9, samples) of noise in mV at ``time`` (evenly spaced seconds, at 300 Hz or more)."""
    samples, step = len(time), time[1] - time[0]
    frequency = np.fft.rfftfreq(samples, step)
    # White noise with unit variance in the frequency domain; wander and muscle share it, as their bands differ.
    white = rng.standard_normal((9, len(frequency), 2)).view(complex)[..., 0] * np.sqrt(samples / 2)
    muscle = (levels.electrodes * MUSCLE_AT)[:, None] * levels.muscle * _unit_power(_muscle_shape(frequency), samples)
    wander = (levels.electrodes * WANDER_AT)[:, None] * levels.wander * _unit_power(_wander_shape(frequency), samples)
    noise = np.fft.irfft(white * (wander + muscle + levels.sensor), samples)
    if levels.burst:
        inside = (time >= levels.burst[0]) & (time < levels.burst[1])
        noise[:, inside] += BURST * np.fft.irfft(white.conj() * muscle, samples)[:, inside]
    if levels.settling:
        electrode, size, constant = levels.settling
        noise[electrode] += size * np.exp(-np.maximum(time, 0) / constant)
    if levels.motion:
        electrode, size, at = levels.motion
        noise[electrode] += size * np.exp(-0.5 * ((time - at) / np.where(time < at, 0.08, 0.3)) ** 2)
    # All electrodes pick up one mains field and one breath, each with its own amplitude.
    hum_size, hum_phase = rng.rayleigh(1, (9, 1)), rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, (9, 1))
    hum = levels.mains * hum_size * np.concatenate([np.cos(hum_phase), np.sin(hum_phase)], axis=1)
    breath = levels.breathing * rng.standard_normal((9, 1))
    angle = 2 * np.pi * 50 * time
    return noise + np.hstack([hum, breath]) @ np.stack([np.sin(angle), np.cos(angle), respiration(time)])


def _muscle_shape(frequency: np.ndarray) -> np.ndarray:
    """Amplitude response of the surface electromyogram in an electrocardiograph, mostly 10 to 80 Hz."""
    high_pass = 1 / np.sqrt(1 + (10 / np.maximum(frequency, 1e-9)) ** 4)
    return high_pass / (1 + (frequency / 40) ** 2)


def _wander_shape(frequency: np.ndarray) -> np.ndarray:
    """Amplitude response of the drift of the skin potential: below 0.5 Hz, rising towards 0, no constant part."""
    slow = (frequency > 0) & (frequency < 0.5)
    return np.where(slow, np.maximum(frequency, 0.04) ** -0.7, 0.0)


def _unit_power(shape: np.ndarray, samples: int) -> np.ndarray:
    """``shape`` scaled so that filtered unit white noise keeps unit variance."""
    return shape / np.sqrt(2 * (shape**2).sum() / samples)
