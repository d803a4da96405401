"""Beats and the dynamical dipole: kernels placed by clinical intervals become electrode potentials.

McSharry's model (ECGSYN) moves a point around a circle once per heart beat and pulls it with a Gaussian at the angle
of each wave; Sameni and Clifford use one such sum for each axis of the heart vector. Here each kernel's angle is given
as a time from the QRS onset (angle = 2 pi time / cycle), so that PR, QRS and QT are parameters of the model.

Sources: McSharry et al., IEEE Trans Biomed Eng 50, 2003; Clifford, Nemati, Sameni, Physiol Meas 31, 2010.
"""

from dataclasses import dataclass, replace

import numpy as np

from ecgpipe.acquire.simulate.patient import STANDARD_LEADS, Patient, rotation
from ecgpipe.acquire.simulate.rhythm import ATRIAL, VENTRICULAR, Beats, Respiration

STEP = 0.001  # seconds between the samples of a QRS loop
FLANK = 2.4  # standard deviations from a kernel's edge to the onset or offset that a reader would mark
# Differences between hearts: mV of each QRS kernel and of T, fractions of QRS duration and of a kernel's width.
LOOP_VECTOR, T_VECTOR, LOOP_TIME, LOOP_WIDTH = np.array([0.06, 0.09, 0.09]), 0.035, 0.008, 0.06
WAVE_OF_ST = 2  # index into WAVES: ST and T share the torso matrix of repolarisation
BREATHING_ROTATION = 3.0  # degrees by which a breath rotates the heart
BREATHING_GAIN = 0.04  # fraction by which it changes the amplitudes


@dataclass(frozen=True)
class Kernels:
    """The kernels of one beat: flat from ``start`` to ``stop`` with Gaussian flanks (a Gaussian if both are equal).

    Attributes:
        start, stop, rise, fall: (K,) seconds from the QRS onset; rise and fall are standard deviations of the flanks.
        wave: (K,) index into ``patient.WAVES``.
        vector: (K, 3) mV.
    """

    start: np.ndarray
    stop: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    wave: np.ndarray
    vector: np.ndarray

    def at(self, time: np.ndarray) -> np.ndarray:
        """(K, samples): size of each kernel at ``time``, seconds from the QRS onset."""
        before = (np.minimum(time, self.start[:, None]) - self.start[:, None]) / self.rise[:, None]
        after = (np.maximum(time, self.stop[:, None]) - self.stop[:, None]) / self.fall[:, None]
        return np.exp(-0.5 * (before**2 + after**2))


@dataclass
class Morphology:
    """A beat's shape before the heart rate is known. Vectors in mV along body axes.

    Attributes:
        pr, p_duration, qrs: seconds. qtc: seconds at 60/min.
        p_at, p_width: (2,) or (0,) fractions of the P duration. p_vectors: (2, 3) right and left atrium, or (0, 3).
        qrs_at, qrs_width: (K,) fractions of the QRS duration. qrs_vectors: (K, 3).
        st: (3,) plateau between J point and T. t: (3,). t_end: (3,) second kernel on T's descent, for biphasic T.
        st_sag: (3,) trough in mid ST (digitalis, strain). u: (3,) U wave.
    """

    pr: float
    p_duration: float
    p_at: np.ndarray
    p_width: np.ndarray
    p_vectors: np.ndarray
    qrs: float
    qrs_at: np.ndarray
    qrs_width: np.ndarray
    qrs_vectors: np.ndarray
    qtc: float
    st: np.ndarray
    t: np.ndarray
    t_end: np.ndarray
    st_sag: np.ndarray
    u: np.ndarray

    def copy(self) -> "Morphology":
        """A deep copy."""
        arrays = {name: value.copy() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays)

    def remove_p(self) -> None:
        """Remove the P wave, in place."""
        self.p_at, self.p_width, self.p_vectors = np.empty(0), np.empty(0), np.empty((0, 3))

    def qt(self, cycle: float) -> float:
        """QT in seconds after a cycle of ``cycle`` seconds (Fridericia); a wide QRS lengthens it."""
        return self.qtc * cycle ** (1 / 3) + 0.8 * max(0.0, self.qrs - 0.1)

    def intervals(self, cycle: float) -> dict[str, float]:
        """Onsets and offsets of the waves after a cycle of ``cycle`` seconds, in seconds from the QRS onset.

        The keys are ``truth.BEAT_FIELDS`` without r_peak; the times of a missing P are NaN.
        """
        qt = self.qt(cycle)
        t_fall = 0.1 * qt
        t_peak = qt - FLANK * t_fall
        has_p = len(self.p_vectors) > 0
        return {
            "p_onset": -self.pr if has_p else np.nan,
            "p_offset": self.p_duration - self.pr if has_p else np.nan,
            "qrs_onset": 0.0,
            "qrs_offset": self.qrs,
            "t_onset": max(self.qrs + 0.01, t_peak - FLANK * 1.45 * t_fall),
            "t_peak": t_peak,
            "t_offset": qt,
        }

    def kernels(self, cycle: float) -> Kernels:
        """The kernels of a beat after a cycle of ``cycle`` seconds."""
        t_offset = self.qt(cycle)
        t_peak = t_offset - FLANK * (0.1 * t_offset)
        fall = (t_offset - t_peak) / FLANK
        rise = min(1.45 * fall, (t_peak - self.qrs) / FLANK)
        st_start, st_stop = self.qrs + 0.012, max(self.qrs + 0.03, t_peak - 1.5 * rise)
        p_centre, p_width = self.p_at * self.p_duration - self.pr, self.p_width * self.p_duration
        qrs_centre, qrs_width = self.qrs_at * self.qrs, self.qrs_width * self.qrs
        # start, stop, rise and fall of ST, T, T's end, ST's sag and U
        late = np.array(
            [
                (st_start, st_stop, 0.010, 0.045),
                (t_peak, t_peak, rise, fall),
                (t_offset - fall, t_offset - fall, 0.7 * fall, 0.7 * fall),
                (st_stop, st_stop, 0.035, 0.05),
                (t_offset + 0.06, t_offset + 0.06, 0.025, 0.03),
            ]
        ).T
        return Kernels(
            start=np.concatenate([p_centre, qrs_centre, late[0]]),
            stop=np.concatenate([p_centre, qrs_centre, late[1]]),
            rise=np.concatenate([p_width, qrs_width, late[2]]),
            fall=np.concatenate([p_width, qrs_width, late[3]]),
            wave=np.repeat([0, 1, WAVE_OF_ST], [len(p_centre), len(qrs_centre), late.shape[1]]),
            vector=np.concatenate(
                [self.p_vectors, self.qrs_vectors, [self.st, self.t, self.t_end, self.st_sag, self.u]]
            ),
        )

    def qrs_loop(self) -> np.ndarray:
        """(samples, 3): the heart vector during the QRS, every ``STEP`` seconds."""
        time = np.arange(0, self.qrs + STEP, STEP) / self.qrs
        return np.exp(-0.5 * ((time[:, None] - self.qrs_at) / self.qrs_width) ** 2) @ self.qrs_vectors

    def r_peak(self) -> float:
        """Seconds from the QRS onset to the largest heart vector, the beat's fiducial time."""
        return STEP * int(np.argmax(np.linalg.norm(self.qrs_loop(), axis=1)))

    def qrs_axis(self) -> float:
        """The frontal QRS axis in degrees (-180 to 180), from the net areas in I and aVF."""
        area = self.qrs_loop().sum(axis=0) @ STANDARD_LEADS.T
        return float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * area[5], area[0])))


def normal_morphology(patient: Patient, posture: tuple[float, float]) -> Morphology:
    """The beat of ``patient`` without findings; ``posture`` adds degrees to both angles of the heart."""
    frontal, horizontal = patient.axis + posture[0], patient.transition + posture[1]
    rotated = rotation(frontal, horizontal).T
    half_rotated = rotation(0.5 * frontal, 0.4 * horizontal).T  # T and P follow the heart's position less than QRS
    septal, apical, free_wall, basal = (
        (-0.12, -0.03, -0.26),
        (0.40, 0.36, -0.28),
        (1.08, 1.05, 0.60),
        (-0.15, -0.09, 0.40),
    )
    vectors = np.array([septal, apical, free_wall, basal]) + LOOP_VECTOR * patient.loop[:4, :3]
    t_vector = np.array([0.28, 0.20, -0.19]) + T_VECTOR * patient.loop[4, :3]
    return Morphology(
        pr=patient.pr,
        p_duration=0.100,
        p_at=np.array([0.40, 0.62]),
        p_width=np.array([0.155, 0.155]),
        p_vectors=patient.p_gain * np.array([(0.015, 0.065, -0.050), (0.062, 0.050, 0.035)]) @ half_rotated,
        qrs=patient.qrs,
        qrs_at=np.array([0.18, 0.35, 0.52, 0.70]) + LOOP_TIME * patient.loop[:4, 3],
        qrs_width=np.array([0.070, 0.080, 0.095, 0.105]) * np.exp(LOOP_WIDTH * patient.loop[:4, 4]),
        qrs_vectors=patient.gain * vectors @ rotated,
        qtc=patient.qtc,
        st=patient.early_repolarisation * np.array([0.4, 0.3, -0.6]),
        t=patient.t_gain * t_vector @ half_rotated,
        t_end=np.zeros(3),
        st_sag=np.zeros(3),
        u=0.05 * patient.t_gain * np.array([0.2, 0.15, -0.4]),
    )


def beat_morphology(kind: str, dominant: Morphology, rng: np.random.Generator) -> Morphology:
    """The shape of beats of a kind: ``dominant`` itself, or an ectopic beat of the same heart."""
    if kind == VENTRICULAR:
        return _ventricular_ectopic(rng, dominant)
    return _atrial_ectopic(rng, dominant) if kind == ATRIAL else dominant


def _ventricular_ectopic(rng: np.random.Generator, dominant: Morphology) -> Morphology:
    """No P, a QRS of 130 to 170 ms from one ventricle, ST and T opposite to it."""
    beat = dominant.copy()
    beat.remove_p()
    beat.qrs = float(rng.uniform(0.130, 0.170))
    side = 1.0 if rng.random() < 0.6 else -1.0  # from the right ventricle (left bundle pattern) or from the left
    direction = np.array([side * rng.uniform(0.6, 1.2), rng.uniform(-0.9, 0.9), side * rng.uniform(0.3, 0.9)])
    beat.qrs_at, beat.qrs_width = np.array([0.32, 0.58, 0.80]), np.array([0.12, 0.12, 0.075])
    rotated = rotation(float(rng.uniform(-35, 35)), float(rng.uniform(-25, 25)))
    beat.qrs_vectors = np.array([0.9 * direction, 0.9 * rotated @ direction, -0.25 * direction])
    beat.st = -0.13 * direction
    beat.t = -0.50 * direction
    beat.t_end, beat.st_sag = np.zeros(3), np.zeros(3)
    return beat


def _atrial_ectopic(rng: np.random.Generator, dominant: Morphology) -> Morphology:
    """Another P and PR, unchanged ventricles."""
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
        shapes: kind of beat -> its morphology.
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
        rotated = kernels.vector @ rotation(BREATHING_ROTATION * breath, 0.5 * BREATHING_ROTATION * breath).T
        pattern = np.einsum("kes,ks->ek", torso[kernels.wave], rotated) * gain * (1 - BREATHING_GAIN * breath)
        potentials[:, window] += pattern @ kernels.at(time[window] - onset)
    return potentials


def fibrillation(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """(samples, 3) mV: the atrial vector in fibrillation, 5 to 8 waves per second of varying size, largest in V1."""
    rate, drift = rng.uniform(5, 8), rng.uniform(0.1, 0.4)
    size = np.exp(rng.normal(np.log(0.035), 0.5))
    phase = 2 * np.pi * rate * time + 1.2 * np.sin(2 * np.pi * drift * time + rng.uniform(0, 6.3))
    swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * time + rng.uniform(0, 6.3))
    shift = rng.uniform(0, 6.3, 3)
    axes = [
        share * size * swell * (np.sin(phase + s) + 0.4 * np.sin(2 * phase + 2 * s))
        for share, s in zip((0.3, 0.8, 1.0), shift, strict=True)
    ]
    return np.stack(axes, axis=1)


def flutter(rng: np.random.Generator, time: np.ndarray, cycle: float) -> np.ndarray:
    """(samples, 3) mV: saw-tooth waves of ``cycle`` seconds, negative in the inferior leads, upright in V1."""
    phase = 2 * np.pi * time / cycle + rng.uniform(0, 6.3)
    saw = sum(np.sin(k * phase) / k for k in range(1, 5))
    return float(rng.uniform(0.06, 0.14)) * saw[:, None] * np.array([0.1, 1.0, -0.6])
