"""Hypertrophy: more muscle, larger vectors, later repolarisation; and enlarged atria.

Criteria: AHA/ACCF/HRS recommendations, part V (Hancock et al., J Am Coll Cardiol 53, 2009).
"""

import numpy as np

from ecgpipe.acquire.simulate.leads import LEADS, STANDARD_LEADS, rotation
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.severity import graded


def sokolow_lyon(morphology: Morphology, lead_vectors: np.ndarray = STANDARD_LEADS) -> float:
    """S in V1 plus the larger R of V5 and V6, mV; ``lead_vectors`` (12, 3) are those of the torso."""
    leads = morphology.qrs_loop() @ lead_vectors.T
    r = leads[:, [LEADS.index("V5"), LEADS.index("V6")]].max()
    return float(max(0.0, -leads[:, LEADS.index("V1")].min()) + max(0.0, r))


def left_ventricular_hypertrophy(morphology: Morphology, severity: float, strain: float, torso: np.ndarray) -> None:
    """Sokolow-Lyon voltage of 3.5 mV or more on this patient's ``torso`` (12, 3); ``strain`` (0 to 1) depresses ST
    and inverts T laterally, with the mirror image in V1 and V2."""
    target = graded(severity, 2.7, 3.65, 5.6)
    morphology.qrs_vectors = morphology.qrs_vectors @ rotation(-8, 6).T
    growth = max(1.0, target / max(sokolow_lyon(morphology, torso), 0.5))
    # The left ventricle lies left and behind; the septal and downward forces grow less.
    morphology.qrs_vectors *= np.array([growth, 1 + 0.45 * (growth - 1), growth])
    first = morphology.qrs_at * morphology.qrs < 0.022
    morphology.qrs_vectors[first] /= growth**0.7
    for _ in range(3):
        morphology.qrs_vectors[~first] *= max(1.0, target / sokolow_lyon(morphology, torso))
    morphology.qrs = min(morphology.qrs + 0.008, max(morphology.qrs, 0.118))
    morphology.st += strain * np.array([-0.07, -0.03, -0.10])
    morphology.st_sag += strain * np.array([-0.05, -0.02, -0.02])
    morphology.t = (1 - 0.75 * strain) * morphology.t + strain * np.array([-0.26, -0.05, -0.24])


def septal_hypertrophy(morphology: Morphology, severity: float) -> None:
    """Narrow deep septal q in the lateral leads and a tall r in V1."""
    first = morphology.qrs_at * morphology.qrs < 0.022
    morphology.qrs_vectors[first] *= graded(severity, 1.3, 2.2, 3.6)
    morphology.qrs_vectors[~first] *= graded(severity, 1.05, 1.2, 1.4)


def right_ventricular_hypertrophy(morphology: Morphology, severity: float, strain: float, torso: np.ndarray) -> None:
    """Forces to the right and front: R of 0.7 mV or more in V1 on this patient's ``torso`` (12, 3), deep S in V5 and
    V6, axis beyond 90 degrees."""
    share = graded(severity, 0.35, 0.72, 1.0)
    size = np.linalg.norm(morphology.qrs_loop(), axis=1).max() / 1.4
    main = morphology.qrs_at * morphology.qrs >= 0.022
    right = np.zeros((main.sum(), 3))
    right[0] = (0.10, 0.45, -0.50)
    right[1:3] = (-0.28, 0.80, -0.42)
    right[2:3] = (-0.35, 0.10, -0.15)
    morphology.qrs_vectors[main] = (1 - share) * morphology.qrs_vectors[main] + share * size * right
    v1 = torso[LEADS.index("V1")]
    for _ in range(5):  # the right ventricle grows until its R in V1 is there
        lacking = graded(severity, 0.30, 0.78, 1.5) - (morphology.qrs_loop() @ v1).max()
        late = np.flatnonzero(main)[1:3]
        morphology.qrs_vectors[late] += max(0.0, lacking) * np.array([-0.35, 0.15, -0.50])
    morphology.t += strain * np.array([0.05, -0.10, 0.20])
    morphology.st += strain * np.array([0.02, -0.03, 0.06])


def left_atrial_enlargement(morphology: Morphology, severity: float) -> None:
    """P of 120 ms or more, notched in II, with a deep end in V1 (P terminal force over 40 mm ms)."""
    morphology.p_duration = max(morphology.p_duration, graded(severity, 0.112, 0.122, 0.150))
    morphology.p_at, morphology.p_width = np.array([0.34, 0.68]), np.array([0.125, 0.125])
    if len(morphology.p_vectors):
        morphology.p_vectors[1] += graded(severity, 0.2, 0.6, 1.2) * np.array([0.05, 0.02, 0.07])
    morphology.pr = max(morphology.pr, morphology.p_duration + 0.02)


def right_atrial_enlargement(morphology: Morphology, severity: float) -> None:
    """P over 0.25 mV in II."""
    if len(morphology.p_vectors):
        in_ii = float(morphology.p_vectors.sum(axis=0) @ STANDARD_LEADS[1])
        need = graded(severity, 0.20, 0.29, 0.42) / max(in_ii, 0.03)
        morphology.p_vectors[0] += max(0.0, need - 1) * in_ii * np.array([0.0, 0.9, -0.4])
    morphology.p_at, morphology.p_width = np.array([0.46, 0.60]), np.array([0.15, 0.15])
