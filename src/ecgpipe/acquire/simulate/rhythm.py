"""Times of the beats: sinus rhythm with respiration and slow waves, ectopic beats, fibrillation and flutter."""

from dataclasses import dataclass

import numpy as np

RHYTHMS = ("SR", "SARRH", "SBRAD", "STACH", "AFIB", "AFLT")
BEAT_KINDS = NORMAL, VENTRICULAR, ATRIAL = "N", "V", "A"  # as in WFDB annotations
ECTOPICS = {"PVC": VENTRICULAR, "PAC": ATRIAL}


@dataclass(frozen=True)
class Respiration:
    """Respiration: frequency in Hz and phase in radians at time zero."""

    frequency: float
    phase: float

    def __call__(self, time: np.ndarray | float) -> np.ndarray | float:
        """-1 (end of expiration) to 1 (end of inspiration) at ``time``, seconds."""
        return np.sin(2 * np.pi * self.frequency * np.asarray(time) + self.phase)


@dataclass(frozen=True)
class Beats:
    """The beats of one recording.

    Attributes:
        onset: (B,) QRS onsets in seconds; some are outside the recording, so that its edges are complete.
        cycle: (B,) seconds of the cycle before each beat, smoothed because repolarisation lags behind.
        kind: (B,) "N", "V" or "A".
    """

    onset: np.ndarray
    cycle: np.ndarray
    kind: np.ndarray


def sample_respiration(rng: np.random.Generator) -> Respiration:
    """12 to 20 breaths per minute."""
    return Respiration(float(rng.uniform(0.2, 0.33)), float(rng.uniform(0, 2 * np.pi)))


def heart_rate_of(rhythm: str, resting: float, rng: np.random.Generator) -> float:
    """Beats per minute in one of ``RHYTHMS``, for a person with this resting rate."""
    now = float(np.clip(resting * np.exp(rng.normal(0, 0.06)), 61, 98))
    spread = float(rng.beta(1.5, 3))
    rates = {
        "SR": now,
        "SARRH": float(np.clip(now, 55, 85)),
        "SBRAD": 58 - 16 * spread,
        "STACH": 102 + 38 * spread,
        "AFIB": 70 + 70 * spread,
        "AFLT": 300 / float(rng.choice([2, 3, 4], p=[0.25, 0.25, 0.5])) * float(np.exp(rng.normal(0, 0.04))),
    }
    return rates[rhythm]


def sinus_onsets(
    rng: np.random.Generator, rate: float, variability: float, respiration: Respiration, start: float, stop: float
) -> np.ndarray:
    """QRS onsets whose cycle length has ECGSYN's two spectral peaks: slow waves near 0.1 Hz, and respiration.

    The respiratory peak is locked to ``respiration``: the rate rises on inspiration.
    """
    slow_frequency, slow_phase = rng.normal(0.1, 0.01, 3), rng.uniform(0, 2 * np.pi, 3)
    jitter = rng.normal(0, 0.15 * variability, int((stop - start) * 5) + 4)
    slow_size, breath_size = variability * np.sqrt(0.8 / 3), variability * 1.1
    onsets = [start + float(rng.uniform(0, 60 / rate))]
    while onsets[-1] < stop and len(onsets) <= len(jitter):
        now = onsets[-1]
        slow = slow_size * np.sin(2 * np.pi * slow_frequency * now + slow_phase).sum()
        deviation = slow - breath_size * respiration(now) + jitter[len(onsets) - 1]
        onsets.append(now + 60 / rate * max(0.6, 1 + float(deviation)))
    return np.array(onsets)


def sample_beats(
    rng: np.random.Generator,
    rhythm: str,
    rate: float,
    variability: float,
    respiration: Respiration,
    span: tuple[float, float],
    ectopics: tuple[str, ...],
    recorded: tuple[float, float],
) -> Beats:
    """The beats between the two times of ``span``, seconds.

    Args:
        rhythm: one of ``RHYTHMS``. Cycles are independent in AFIB, and multiples of the flutter cycle in AFLT.
        variability: relative standard deviation of the sinus cycle (0 to 0.2).
        ectopics: any of "PVC" and "PAC"; each adds one to three early beats inside ``recorded``, if there is room.
        recorded: recorded part of ``span``.
    """
    start, stop = span
    if rhythm == "AFIB":
        count = int((stop - start) * rate / 60 * 2) + 10
        cycles = np.clip(60 / rate * rng.lognormal(-0.02, 0.2, count), 0.32, 2.2)
        onset = start + np.cumsum(cycles) - rng.uniform(0, 1) * cycles[0]
        onset = onset[: np.searchsorted(onset, stop) + 1]
    else:
        spread = variability * min(1.0, (75 / rate) ** 2)
        spread = {"AFLT": 0.004, "SARRH": max(variability, 0.11)}.get(rhythm, spread)
        onset = sinus_onsets(rng, rate, spread, respiration, start, stop)
    kind = np.full(len(onset), NORMAL)
    for ectopic in ectopics:
        _add_early_beats(rng, ectopic, onset, kind, recorded)
    cycle = np.diff(onset, prepend=onset[0] - 60 / rate)
    # Repolarisation lags behind the rate, so an early beat shortens its own QT only partly.
    lagged = 0.5 * cycle + 0.5 * 60 / rate
    return Beats(onset=onset, cycle=np.clip(lagged, 0.35, 1.8), kind=kind)


def _add_early_beats(
    rng: np.random.Generator, ectopic: str, onset: np.ndarray, kind: np.ndarray, recorded: tuple[float, float]
) -> None:
    """Moves one to three beats forward in time, in place; the pause after each is compensatory."""
    inner = np.flatnonzero((onset > recorded[0] + 1.2) & (onset < recorded[1] - 0.3) & (np.arange(len(onset)) > 0))
    inner = inner[inner < len(onset) - 1]
    remaining = int(rng.integers(1, 4))
    for beat in rng.permutation(inner):
        if remaining == 0 or set(kind[beat - 1 : beat + 2]) != {NORMAL}:
            continue
        remaining -= 1
        cycle = onset[beat] - onset[beat - 1]
        early = rng.uniform(0.58, 0.72) if ectopic == "PVC" else rng.uniform(0.65, 0.8)
        onset[beat] = onset[beat - 1] + max(early * cycle, 0.36)
        kind[beat] = ECTOPICS[ectopic]
