"""A patient: electrodes and leads, anatomy and electrophysiology, which are the same in all recordings of a person.

Heart vectors are in mV along Frank's axes: x to the patient's left, y to the feet, z to the back.
"""

from dataclasses import dataclass, field

import numpy as np

from ecgpipe.lead_names import LEADS

TORSO_SPREAD = 0.10  # relative standard deviation of the lead vectors between patients
WAVES = ("P", "QRS", "T")  # wave groups, which the torso conducts with slightly different lead vectors
# The Dower transform (Dower, Machado, Osborne, Clin Cardiol 3, 1980): heart vector -> the eight independent leads.
DOWER = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
}
# Chest electrodes are close to muscle that one central dipole cannot represent. These factors bring the median QRS
# amplitudes of simulated normal records to PTB-XL's.
NEARNESS = {"V1": 0.80, "V2": 1.40, "V3": 1.15, "V4": 1.15, "V5": 1.10, "V6": 1.02}


def electrode_matrix() -> np.ndarray:
    """(9, 3): potentials of R, L, F, C1 to C6 against Wilson's central terminal, per mV of heart vector."""
    lead_i, lead_ii = np.array(DOWER["I"]), np.array(DOWER["II"])
    limbs = [-(lead_i + lead_ii) / 3, (2 * lead_i - lead_ii) / 3, (2 * lead_ii - lead_i) / 3]
    return np.array([*limbs, *(NEARNESS[lead] * np.array(DOWER[lead]) for lead in NEARNESS)])


def lead_matrix() -> np.ndarray:
    """(12, 9): the leads as differences of electrode potentials (Einthoven, Goldberger, Wilson)."""
    right, left, foot, *chest = np.eye(9)
    limb = [left - right, foot - right, foot - left]
    augmented = [right - (left + foot) / 2, left - (right + foot) / 2, foot - (right + left) / 2]
    wilson = (right + left + foot) / 3
    return np.array([*limb, *augmented, *(electrode - wilson for electrode in chest)])


STANDARD_LEADS = lead_matrix() @ electrode_matrix()  # (12, 3): lead vectors of the mean torso


def lead_vectors(leads: tuple[str, ...]) -> np.ndarray:
    """(len(leads), 3): lead vectors of the mean torso."""
    return STANDARD_LEADS[[LEADS.index(lead) for lead in leads]]


def rotation(frontal: float, horizontal: float = 0.0) -> np.ndarray:
    """(3, 3): rotates a heart vector by two angles in degrees.

    A positive ``frontal`` angle moves the axis towards the feet (clockwise for the reader), a positive ``horizontal``
    angle to the back (late transition).
    """
    f, h = np.deg2rad([frontal, horizontal])
    in_frontal = np.array([[np.cos(f), -np.sin(f), 0], [np.sin(f), np.cos(f), 0], [0, 0, 1]])
    in_horizontal = np.array([[np.cos(h), 0, -np.sin(h)], [0, 1, 0], [np.sin(h), 0, np.cos(h)]])
    return in_horizontal @ in_frontal


@dataclass(frozen=True)
class Patient:
    """Anatomy and electrophysiology of one person.

    Attributes:
        age: years, 2 to 95. sex: 0 male, 1 female (PTB-XL's code). height: cm. weight: kg.
        axis: frontal rotation of the heart in degrees, relative to the mean adult.
        transition: horizontal rotation in degrees; positive: late transition.
        heart_rate: beats per minute at rest. variability: relative standard deviation of the sinus cycle.
        pr, qrs: seconds. qtc: seconds at 60/min (Fridericia).
        gain, t_gain, p_gain: amplitudes of QRS, T and P relative to the mean adult.
        early_repolarisation: mV of J point elevation over the anterior wall.
        torso: (3, 9, 3) electrode potentials per mV of heart vector, for P, QRS and ST-T.
        loop: (5, 5) standard normal deviates (within 2.5) of the four QRS kernels and T from the mean heart's: vector
            x, y, z, time, width.
    """

    age: float
    sex: int
    height: float
    weight: float
    axis: float
    transition: float
    heart_rate: float
    variability: float
    pr: float
    qrs: float
    qtc: float
    gain: float
    t_gain: float
    p_gain: float
    early_repolarisation: float
    torso: np.ndarray = field(repr=False)
    loop: np.ndarray = field(repr=False)


def sample_patient(rng: np.random.Generator, age: float | None = None, sex: int | None = None) -> Patient:
    """A random healthy adult or child, of a given age and sex or random ones."""

    def normal(mean: float, sd: float, low: float, high: float) -> float:
        return float(np.clip(rng.normal(mean, sd), low, high))

    random_age, random_sex = normal(58, 17, 5, 95), int(rng.random() < 0.48)
    age = random_age if age is None else age
    sex = random_sex if sex is None else sex
    child = max(0.0, 1 - age / 17)
    height = normal(163 if sex else 175, 7, 145, 205) * min(1.0, 0.55 + 0.45 * age / 17)
    bmi = normal(26 - 6 * child, 4, 14, 45)
    # The axis turns left with age and weight; voltages fall with age and weight and are lower in women.
    old, heavy = np.clip((age - 40) / 40, -1, 1), (bmi - 26) / 10
    gain = (0.90 if sex else 1.05) * (1 - 0.10 * old) * (1 - 0.15 * heavy) * np.exp(rng.normal(0, 0.18))
    young_man = sex == 0 and 15 <= age < 45
    return Patient(
        age=float(age),
        sex=int(sex),
        height=height,
        weight=bmi * (height / 100) ** 2,
        axis=normal(-12 - 12 * old - 10 * heavy, 15, -50, 26),
        transition=normal(4, 13, -22, 34),
        heart_rate=normal(69 + 3 * sex + 18 * child, 9, 52, 98),
        variability=float(np.clip(0.045 * (1 - 0.55 * old) * np.exp(rng.normal(0, 0.35)), 0.006, 0.11)),
        pr=normal(0.152 + 0.008 * old, 0.017, 0.122, 0.194),
        qrs=normal(0.089 if sex else 0.095, 0.007, 0.074, 0.108),
        qtc=normal(0.412 if sex else 0.402, 0.015, 0.365, 0.445),
        gain=float(np.clip(gain, 0.5, 1.55)),
        t_gain=float(np.clip((0.82 if sex else 1.0) * (1 - 0.15 * old) * np.exp(rng.normal(0, 0.22)), 0.5, 1.7)),
        p_gain=float(np.clip(np.exp(rng.normal(0, 0.2)), 0.6, 1.5)),
        early_repolarisation=normal(0.06 if young_man else 0.015, 0.025, 0.0, 0.13),
        torso=_sample_torso(rng),
        loop=np.clip(rng.standard_normal((5, 5)), -2.5, 2.5),
    )


def _sample_torso(rng: np.random.Generator) -> np.ndarray:
    """The mean torso with randomly changed lead vectors, slightly different for each wave group.

    With three matrices instead of one, the chest leads contain signal that a single dipole cannot explain.
    """
    mean = electrode_matrix()
    common = rng.normal(0, TORSO_SPREAD, mean.shape)
    common[3:] += rng.normal(0, TORSO_SPREAD, (6, 1))  # thickness of the chest wall under each electrode
    own = rng.normal(0, TORSO_SPREAD / 2, (len(WAVES), *mean.shape))
    size = np.linalg.norm(mean, axis=1, keepdims=True)
    torso = mean + size * (common + own)
    torso[:, :3] -= torso[:, :3].mean(axis=1, keepdims=True)  # limb potentials stay relative to Wilson's terminal
    return torso
