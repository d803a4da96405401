"""Electrodes and leads: how a heart vector becomes the twelve leads of the standard ECG.

The heart vector is in Frank's axes (x to the patient's left, y to the feet, z to the back), in mV.

A patient: what stays the same in all recordings of one person.
"""

from dataclasses import dataclass, field

import numpy as np

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
ELECTRODES = ("R", "L", "F", "C1", "C2", "C3", "C4", "C5", "C6")

# The Dower transform (Dower, Machado, Osborne: "On deriving the electrocardiogram from vectorcardiographic
# leads", Clin Cardiol 3, 1980): the eight independent leads of the frontal and horizontal planes.
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
# A chest electrode is close to muscle that one dipole in the middle of the chest cannot stand for: these factors
# bring the median QRS amplitudes of simulated normal records to those of PTB-XL's.
NEARNESS = {"V1": 0.80, "V2": 1.40, "V3": 1.15, "V4": 1.15, "V5": 1.10, "V6": 1.02}


def electrode_matrix() -> np.ndarray:
    """(9, 3): the potential of each electrode against Wilson's central terminal, per mV of heart vector."""
    lead_i, lead_ii = np.array(DOWER["I"]), np.array(DOWER["II"])
    limbs = [-(lead_i + lead_ii) / 3, (2 * lead_i - lead_ii) / 3, (2 * lead_ii - lead_i) / 3]
    return np.array([*limbs, *(NEARNESS[lead] * np.array(DOWER[lead]) for lead in NEARNESS)])


def lead_matrix() -> np.ndarray:
    """(12, 9): the leads as differences of electrode potentials (Einthoven, Goldberger, Wilson)."""
    right, left, foot, *chest = np.eye(9)
    wilson = (right + left + foot) / 3
    return np.array(
        [
            left - right,
            foot - right,
            foot - left,
            right - (left + foot) / 2,
            left - (right + foot) / 2,
            foot - (right + left) / 2,
            *(electrode - wilson for electrode in chest),
        ]
    )


STANDARD_LEADS = lead_matrix() @ electrode_matrix()  # (12, 3): the mean torso's lead vectors


def lead_vectors(leads: tuple[str, ...]) -> np.ndarray:
    """(len(leads), 3): the mean torso's lead vectors of the named leads."""
    return STANDARD_LEADS[[LEADS.index(lead) for lead in leads]]


def rotation(frontal: float = 0.0, horizontal: float = 0.0) -> np.ndarray:
    """(3, 3): rotates a heart vector by two angles in degrees.

    A positive ``frontal`` angle turns the axis clockwise as the reader sees it (towards the feet, the right
    axis); a positive ``horizontal`` angle turns it to the back (clockwise rotation, late transition).
    """
    f, h = np.deg2rad([frontal, horizontal])
    in_frontal = np.array([[np.cos(f), -np.sin(f), 0], [np.sin(f), np.cos(f), 0], [0, 0, 1]])
    in_horizontal = np.array([[np.cos(h), 0, -np.sin(h)], [0, 1, 0], [np.sin(h), 0, np.cos(h)]])
    return in_horizontal @ in_frontal


WAVES = ("P", "QRS", "T")  # the wave groups that a torso conducts with slightly different lead vectors


@dataclass(frozen=True)
class Patient:
    """Anatomy and electrophysiology of one person.

    Attributes:
        age: years, 2 to 95. sex: 0 male, 1 female (PTB-XL's code). height: cm. weight: kg.
        torso: (3, 9, 3) electrode potentials per mV of heart vector, for P, QRS and ST-T.
        axis: degrees that the heart is turned in the frontal plane from the mean adult's.
        transition: degrees that it is turned in the horizontal plane (positive: late transition).
        heart_rate: beats per minute at rest. variability: relative standard deviation of the sinus cycle.
        pr, qrs: seconds. qtc: seconds at 60/min (Fridericia).
        gain: QRS amplitude, t_gain, p_gain: those of T and P, relative to the mean adult.
        early_repolarisation: mV of J-point elevation over the anterior wall.
        loop: (5, 5) standard normal deviates (within 2.5) of this heart's four QRS kernels and its T from the mean
            heart's: vector x, y, z, time, width.
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
    """Draws a healthy adult or child; ``age`` and ``sex`` are drawn too unless they are given."""
    drawn_age, drawn_sex = float(np.clip(rng.normal(58, 17), 5, 95)), int(rng.random() < 0.48)
    age = drawn_age if age is None else age
    sex = drawn_sex if sex is None else sex
    height = float(np.clip(rng.normal(163 if sex else 175, 7), 145, 205)) * min(1.0, 0.55 + 0.45 * age / 17)
    bmi = float(np.clip(rng.normal(26 - 6 * max(0.0, 1 - age / 17), 4), 14, 45))
    # The axis turns left with age and weight; voltages fall with age, weight and the female sex.
    old, heavy = np.clip((age - 40) / 40, -1, 1), (bmi - 26) / 10
    gain = (0.90 if sex else 1.05) * (1 - 0.10 * old) * (1 - 0.15 * heavy) * np.exp(rng.normal(0, 0.18))
    young_man = sex == 0 and 15 <= age < 45
    return Patient(
        age=float(age),
        sex=int(sex),
        height=height,
        weight=bmi * (height / 100) ** 2,
        axis=float(np.clip(rng.normal(-12 - 12 * old - 10 * heavy, 15), -50, 26)),
        transition=float(np.clip(rng.normal(4, 13), -22, 34)),
        heart_rate=float(np.clip(rng.normal(69 + 3 * sex + 18 * max(0.0, 1 - age / 17), 9), 52, 98)),
        variability=float(np.clip(0.045 * (1 - 0.55 * old) * np.exp(rng.normal(0, 0.35)), 0.006, 0.11)),
        pr=float(np.clip(rng.normal(0.152 + 0.008 * old, 0.017), 0.122, 0.194)),
        qrs=float(np.clip(rng.normal(0.089 if sex else 0.095, 0.007), 0.074, 0.108)),
        qtc=float(np.clip(rng.normal(0.412 if sex else 0.402, 0.015), 0.365, 0.445)),
        gain=float(np.clip(gain, 0.5, 1.55)),
        t_gain=float(np.clip((0.82 if sex else 1.0) * (1 - 0.15 * old) * np.exp(rng.normal(0, 0.22)), 0.5, 1.7)),
        p_gain=float(np.clip(np.exp(rng.normal(0, 0.2)), 0.6, 1.5)),
        early_repolarisation=float(np.clip(rng.normal(0.06 if young_man else 0.015, 0.025), 0.0, 0.13)),
        torso=_draw_torso(rng),
        loop=np.clip(rng.standard_normal((5, 5)), -2.5, 2.5),
    )


def _draw_torso(rng: np.random.Generator, spread: float = 0.10) -> np.ndarray:
    """The mean torso with every lead vector changed a little, differently for each wave group.

    Three matrices instead of one also give the chest leads what one dipole cannot: they see nearby muscle.
    """
    mean = electrode_matrix()
    common = rng.normal(0, spread, mean.shape)
    common[3:] += rng.normal(0, spread, (6, 1))  # how thick the chest wall is under each electrode
    own = rng.normal(0, spread / 2, (len(WAVES), *mean.shape))
    size = np.linalg.norm(mean, axis=1, keepdims=True)
    torso = mean + size * (common + own)
    torso[:, :3] -= torso[:, :3].mean(axis=1, keepdims=True)  # limb potentials stay relative to Wilson's terminal
    return torso
