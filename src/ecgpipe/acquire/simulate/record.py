"""One simulated recording with its ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from ecgpipe.acquire.simulate import rhythm
from ecgpipe.acquire.simulate.conditions import sokolow_lyon
from ecgpipe.acquire.simulate.findings import NEEDS_P, STATEMENTS, Finding, apply_finding, sample_findings
from ecgpipe.acquire.simulate.morphology import (
    Morphology,
    beat_morphology,
    electrode_potentials,
    fibrillation,
    flutter,
    normal_morphology,
)
from ecgpipe.acquire.simulate.noise import NoiseLevels, electrode_noise, sample_noise_levels
from ecgpipe.acquire.simulate.patient import Patient, lead_matrix, sample_patient
from ecgpipe.artifacts.truth import BEAT_FIELDS, FindingTruth, Truth
from ecgpipe.errors import ConfigError
from ecgpipe.lead_names import LEADS

INTERNAL_RATE = 500  # Hz; other rates are low-passed and resampled from it, like PTB-XL's 100 Hz files
MARGIN = 1.0  # seconds simulated on either side, so that the edges contain parts of beats
LEAD_MATRIX = lead_matrix()
WITHOUT_P = ("AFIB", "AFLT")

# How often each rhythm occurs, and how often ventricular and atrial ectopic beats occur, as counted in PTB-XL 1.0.3:
# in normal records, in records with findings, and in records without a diagnostic statement.
RHYTHM_SHARES = {
    "normal": {"SR": 0.855, "SBRAD": 0.050, "SARRH": 0.055, "STACH": 0.035, "AFIB": 0.004, "AFLT": 0.001},
    "findings": {"SR": 0.765, "SBRAD": 0.025, "SARRH": 0.025, "STACH": 0.050, "AFIB": 0.130, "AFLT": 0.005},
    "none": {"SR": 0.20, "SBRAD": 0.10, "SARRH": 0.05, "STACH": 0.15, "AFIB": 0.45, "AFLT": 0.05},
}
ECTOPIC_SHARES = {"normal": (0.012, 0.010), "findings": (0.085, 0.028), "none": (0.25, 0.10)}


@dataclass(frozen=True)
class SimulatedRecord:
    """A recording and its ground truth.

    Attributes:
        signal: (12, samples) mV, leads in the order of ``LEADS``.
        clean: the signal without noise.
    """

    signal: np.ndarray
    clean: np.ndarray
    sampling_rate: int
    truth: Truth
    patient: Patient


def simulate_record(
    rng: np.random.Generator,
    superclasses: Sequence[str],
    sampling_rate: int = 100,
    seconds: float = 10.0,
    **options: Any,
) -> SimulatedRecord:
    """One resting 12-lead ECG; arguments and errors as for ``simulate_rates``."""
    return simulate_rates(rng, superclasses, (sampling_rate,), seconds, **options)[sampling_rate]


def simulate_rates(
    rng: np.random.Generator,
    superclasses: Sequence[str],
    sampling_rates: Sequence[int],
    seconds: float = 10.0,
    *,
    patient: Patient | None = None,
    findings: Sequence[Finding] | None = None,
    rhythm_code: str | None = None,
    ectopics: Sequence[str] | None = None,
    difficulty: float = 0.25,
    noise: float = 1.0,
) -> dict[int, SimulatedRecord]:
    """One resting 12-lead ECG at several sampling rates.

    The same generator state results in the same recording at all rates.

    Args:
        rng: the only source of randomness.
        superclasses: any of NORM, MI, STTC, CD, HYP; empty for a record with a rhythm but no diagnostic statement.
        sampling_rates: Hz, 50 to 1000.
        seconds: length, 2 or more.
        patient: None for a random one.
        findings: None for random findings of the ``superclasses``.
        ectopics: PVC, PAC, both or none; None for a random choice.
        rhythm_code: one of ``rhythm.RHYTHMS``; None: a random one.
        difficulty: share of random findings that fall short of their textbook criterion.
        noise: multiplies all noise (0: no noise).

    Raises:
        ConfigError: an argument is out of range, or a finding requires P waves, which the rhythm lacks.
    """
    _check_arguments(sampling_rates, seconds, difficulty, noise, rhythm_code, tuple(ectopics or ()))
    patient = sample_patient(rng) if patient is None else patient
    findings = sample_findings(rng, superclasses, difficulty) if findings is None else list(findings)
    rhythm_code = sample_rhythm(rng, superclasses, findings) if rhythm_code is None else rhythm_code
    if rhythm_code in WITHOUT_P and (codes := [finding.code for finding in findings if finding.code in NEEDS_P]):
        raise ConfigError(
            f"{', '.join(codes)} requires P waves, which {rhythm_code} lacks; give other findings or another rhythm"
        )
    if ectopics is None:
        ectopics = _sample_ectopics(rng, _group(superclasses, findings), rhythm_code)

    respiration = rhythm.sample_respiration(rng)
    rate = rhythm.heart_rate_of(rhythm_code, patient.heart_rate, rng)
    span = (-MARGIN - 1.5, seconds + MARGIN + 1.5)
    beats = rhythm.sample_beats(
        rng, rhythm_code, rate, patient.variability, respiration, span, tuple(ectopics), (0, seconds)
    )
    torso = _displace_electrodes(rng, patient.torso)
    dominant = normal_morphology(patient, tuple(rng.normal(0, (4, 3))))
    if rhythm_code in WITHOUT_P:
        dominant.remove_p()
    truths = tuple(_apply(dominant, finding, torso) for finding in findings)
    shapes = {kind: beat_morphology(kind, dominant, rng) for kind in rhythm.BEAT_KINDS}

    samples = round((seconds + 2 * MARGIN) * INTERNAL_RATE)
    time = np.arange(samples) / INTERNAL_RATE - MARGIN
    gain = np.exp(rng.normal(0, 0.012, len(beats.onset)))
    heart = electrode_potentials(time, beats, shapes, torso, respiration, gain)
    if rhythm_code == "AFIB":
        heart += torso[0] @ fibrillation(rng, time).T
    elif rhythm_code == "AFLT":
        heart += torso[0] @ flutter(rng, time, 60 / rate / max(2, round(300 / rate))).T
    levels = sample_noise_levels(rng, seconds, noise)
    electrodes = np.stack([heart, electrode_noise(rng, levels, respiration, time)])

    truth = _truth(seconds, beats, shapes, rhythm_code, truths, respiration, levels, torso)
    records = {}
    for sampling_rate in sampling_rates:
        clean, added = LEAD_MATRIX @ _resample(electrodes, sampling_rate, seconds)
        records[sampling_rate] = SimulatedRecord(clean + added, clean, sampling_rate, truth, patient)
    return records


def _check_arguments(
    sampling_rates: Sequence[int],
    seconds: float,
    difficulty: float,
    noise: float,
    rhythm_code: str | None,
    ectopics: tuple[str, ...],
) -> None:
    if not sampling_rates or not all(50 <= rate <= 1000 for rate in sampling_rates) or seconds < 2:
        raise ConfigError(f"cannot simulate {seconds} s at {sampling_rates} Hz; use 50 to 1000 Hz and 2 s or more")
    if not 0 <= difficulty <= 1 or noise < 0:
        raise ConfigError(f"difficulty {difficulty} must be 0 to 1, and noise {noise} must not be negative")
    if rhythm_code is not None and rhythm_code not in rhythm.RHYTHMS:
        raise ConfigError(f"unknown rhythm {rhythm_code!r}; allowed: {', '.join(rhythm.RHYTHMS)}")
    if set(ectopics) - set(rhythm.ECTOPICS):
        raise ConfigError(f"unknown ectopics {ectopics}; allowed: {', '.join(rhythm.ECTOPICS)}")


def _group(superclasses: Sequence[str], findings: Sequence[Finding]) -> str:
    return "normal" if "NORM" in superclasses else "findings" if findings else "none"


def sample_rhythm(rng: np.random.Generator, superclasses: Sequence[str], findings: Sequence[Finding]) -> str:
    """A random rhythm with the frequencies of PTB-XL; one with P waves if a finding requires them."""
    shares = RHYTHM_SHARES[_group(superclasses, findings)]
    chosen = str(rng.choice(list(shares), p=list(shares.values())))
    needs_p = any(finding.code in NEEDS_P for finding in findings)
    return "SR" if needs_p and chosen in WITHOUT_P else chosen


def _sample_ectopics(rng: np.random.Generator, group: str, rhythm_code: str) -> tuple[str, ...]:
    ventricular, atrial = rng.random(2) < ECTOPIC_SHARES[group]
    occurs = {"PVC": bool(ventricular), "PAC": bool(atrial) and rhythm_code not in WITHOUT_P}
    return tuple(code for code in occurs if occurs[code])


def _displace_electrodes(rng: np.random.Generator, torso: np.ndarray) -> np.ndarray:
    """The torso matrix (3, 9, 3) with each chest electrode moved towards a neighbour by a share of their distance."""
    placed = torso.copy()
    for electrode, offset in enumerate(np.clip(rng.normal(0, 0.15, 6), -0.4, 0.4), start=3):
        neighbour = int(np.clip(electrode + np.sign(offset), 3, 8))
        placed[:, electrode] += abs(offset) * (torso[:, neighbour] - torso[:, electrode])
    return placed


def _apply(morphology: Morphology, finding: Finding, torso: np.ndarray) -> FindingTruth:
    """Applies a finding; its leads are those in which the beat changes markedly."""
    time = np.arange(-0.4, 0.7, 0.004)
    before = _template(morphology, torso, time)
    parts = apply_finding(morphology, finding, LEAD_MATRIX @ torso[1])
    effect = np.abs(_template(morphology, torso, time) - before).max(axis=1)
    changed = effect >= max(min(0.05, effect.max()), effect.max() / 3)
    superclass = STATEMENTS[finding.code].superclass
    return FindingTruth(
        code=finding.code,
        superclass=superclass,
        severity=finding.severity,
        stage=finding.stage if superclass == "MI" and not finding.code.startswith("INJ") else None,
        parts=parts,
        leads=tuple(lead for lead, is_changed in zip(LEADS, changed, strict=True) if is_changed),
    )


def _template(morphology: Morphology, torso: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(12, samples): one beat at 60/min."""
    kernels = morphology.kernels(1.0)
    pattern = np.einsum("kes,ks->ek", torso[kernels.wave], kernels.vector)
    return LEAD_MATRIX @ (pattern @ kernels.at(time))


def _resample(signal: np.ndarray, sampling_rate: int, seconds: float) -> np.ndarray:
    """Resamples from the internal rate and removes the margins."""
    if sampling_rate != INTERNAL_RATE:
        common = gcd(sampling_rate, INTERNAL_RATE)
        signal = resample_poly(signal, sampling_rate // common, INTERNAL_RATE // common, axis=-1)
    first = round(MARGIN * sampling_rate)
    return signal[..., first : first + round(seconds * sampling_rate)]


def _truth(
    seconds: float,
    beats: rhythm.Beats,
    shapes: dict[str, Morphology],
    rhythm_code: str,
    findings: tuple[FindingTruth, ...],
    respiration: rhythm.Respiration,
    levels: NoiseLevels,
    torso: np.ndarray,
) -> Truth:
    rows, peaks = [], {kind: shape.r_peak() for kind, shape in shapes.items()}
    for onset, cycle, kind in zip(beats.onset, beats.cycle, beats.kind, strict=True):
        at = shapes[kind].intervals(cycle) | {"r_peak": peaks[kind]}
        rows.append([onset + at[name] for name in BEAT_FIELDS])
    table = np.array(rows)
    r_peak = table[:, BEAT_FIELDS.index("r_peak")]
    recorded = (r_peak >= 0) & (r_peak < seconds)
    dominant = shapes[rhythm.NORMAL]
    cycle = float(np.diff(beats.onset[recorded] if recorded.sum() > 1 else beats.onset).mean())
    parameters = {
        "heart_rate": 60 / cycle,
        "axis": dominant.qrs_axis(),
        "pr": dominant.pr if len(dominant.p_vectors) else np.nan,
        "qrs": dominant.qrs,
        "qt": dominant.qt(cycle),
        "qtc": dominant.qt(1.0),
        "sokolow_lyon": sokolow_lyon(dominant, LEAD_MATRIX @ torso[1]),
        "respiration": respiration.frequency,
        "noise_wander": levels.wander,
        "noise_muscle": levels.muscle,
        "noise_mains": levels.mains,
    }
    if levels.burst:
        parameters |= {"burst_start": levels.burst[0], "burst_stop": levels.burst[1]}
    if levels.motion:
        parameters["motion_at"] = levels.motion[2]
    return Truth(
        seconds=seconds,
        beats={name: table[recorded, column] for column, name in enumerate(BEAT_FIELDS)},
        kinds=beats.kind[recorded],
        rhythm=rhythm_code,
        findings=findings,
        ectopics=tuple(code for code, beat in rhythm.ECTOPICS.items() if beat in beats.kind[recorded]),
        parameters=parameters,
    )
