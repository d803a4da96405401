"""Electrodes and leads: how a heart vector becomes the twelve leads of the standard ECG.

The heart vector is in Frank's axes (x to the patient's left, y to the feet, z to the back), in mV.
"""

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


def rows(leads: tuple[str, ...]) -> np.ndarray:
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
