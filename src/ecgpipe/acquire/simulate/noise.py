"""Noise at the electrodes, so that the leads stay consistent with one another.

Each of the nine electrodes has its own baseline wander (skin and breathing), muscle noise and mains pick-up; the
leads are the same differences of electrode potentials as for the heart's signal.
"""

from dataclasses import dataclass

import numpy as np

from ecgpipe.acquire.simulate.rhythm import Respiration

BURST = 6.0  # muscle noise in a burst, relative to that outside


@dataclass(frozen=True)
class NoiseLevels:
    """Standard deviations at each electrode, mV, and the muscle bursts.

    Attributes:
        wander: below 0.5 Hz. breathing: at the respiratory frequency. muscle: 15 to 150 Hz. mains: 50 Hz.
        sensor: white. electrodes: (9,) each electrode's own factor.
        burst: (start, stop) in seconds of stronger muscle noise, or None.
    """

    wander: float
    breathing: float
    muscle: float
    mains: float
    sensor: float
    electrodes: np.ndarray
    burst: tuple[float, float] | None


def draw_noise_levels(rng: np.random.Generator, seconds: float, scale: float = 1.0) -> NoiseLevels:
    """Noise of a resting ECG; every eighth recording is markedly noisier. ``scale`` multiplies all (0: none)."""
    worse = 3.0 if rng.random() < 0.12 else 1.0
    wander, breathing, muscle, mains = np.exp(rng.normal(0, (0.55, 0.6, 0.55, 0.8)))
    has_burst, start, length = rng.random() < 0.03, rng.uniform(0, seconds), rng.uniform(0.4, 2.0)
    return NoiseLevels(
        wander=float(scale * 0.022 * wander * worse),
        breathing=float(scale * 0.010 * breathing),
        muscle=float(scale * 0.0035 * muscle * worse),
        mains=float(scale * 0.002 * mains),
        sensor=scale * 0.001,
        electrodes=np.exp(rng.normal(0, 0.4, 9)),
        burst=(float(start), float(min(seconds, start + length))) if has_burst else None,
    )


def electrode_noise(
    rng: np.random.Generator, levels: NoiseLevels, respiration: Respiration, time: np.ndarray
) -> np.ndarray:
    """(9, samples) of noise in mV at ``time`` (evenly spaced seconds, at 300 Hz or more)."""
    samples, step = len(time), time[1] - time[0]
    frequency = np.fft.rfftfreq(samples, step)
    # White noise with unit variance, in the frequency domain; wander and muscle share it, as their bands differ.
    white = rng.standard_normal((9, len(frequency), 2)).view(complex)[..., 0] * np.sqrt(samples / 2)
    own = levels.electrodes[:, None]
    muscle = levels.muscle * _unit_power(_muscle_shape(frequency), samples)
    wander = levels.wander * _unit_power(_wander_shape(frequency), samples)
    noise = np.fft.irfft(white * (own * (wander + muscle) + levels.sensor), samples)
    if levels.burst:
        inside = (time >= levels.burst[0]) & (time < levels.burst[1])
        noise[:, inside] += BURST * np.fft.irfft(white.conj() * muscle * own, samples)[:, inside]
    # Cables and electrodes pick up one mains field and one breath, each with its own size.
    hum_size, hum_phase = rng.rayleigh(1, (9, 1)), rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, (9, 1))
    hum = levels.mains * hum_size * np.concatenate([np.cos(hum_phase), np.sin(hum_phase)], axis=1)
    breath = levels.breathing * rng.standard_normal((9, 1))
    angle = 2 * np.pi * 50 * time
    return noise + np.hstack([hum, breath]) @ np.stack([np.sin(angle), np.cos(angle), respiration(time)])


def _muscle_shape(frequency: np.ndarray) -> np.ndarray:
    """Amplitude response: surface electromyogram, mostly 15 to 150 Hz."""
    high_pass = 1 / np.sqrt(1 + (15 / np.maximum(frequency, 1e-9)) ** 4)
    return high_pass / np.sqrt(1 + (frequency / 120) ** 4)


def _wander_shape(frequency: np.ndarray) -> np.ndarray:
    """Amplitude response: drift of the skin potential, below 0.5 Hz, more the slower; no constant part."""
    slow = (frequency > 0) & (frequency < 0.5)
    return np.where(slow, np.maximum(frequency, 0.04) ** -0.7, 0.0)


def _unit_power(shape: np.ndarray, samples: int) -> np.ndarray:
    """``shape`` scaled so that filtered unit white noise keeps unit variance."""
    return shape / np.sqrt(2 * (shape**2).sum() / samples)
