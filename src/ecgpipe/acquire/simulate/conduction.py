"""Conduction disturbances: the ventricles are activated late, or in another order.

Criteria: AHA/ACCF/HRS recommendations for the standardization and interpretation of the electrocardiogram,
part III (Surawicz et al., J Am Coll Cardiol 53, 2009).
"""

import numpy as np

from ecgpipe.acquire.simulate.leads import rotation
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.severity import graded


def first_degree_av_block(morphology: Morphology, severity: float) -> None:
    """PR over 200 ms."""
    morphology.pr = max(morphology.pr, graded(severity, 0.188, 0.204, 0.300))


def _lengthen_qrs(morphology: Morphology, seconds: float) -> None:
    """A longer QRS whose present kernels keep their times."""
    seconds = max(seconds, morphology.qrs)
    morphology.qrs_at = morphology.qrs_at * morphology.qrs / seconds
    morphology.qrs_width = morphology.qrs_width * morphology.qrs / seconds
    morphology.qrs = seconds


def _append(morphology: Morphology, at: float, width: float, vector: tuple[float, float, float]) -> None:
    morphology.qrs_at = np.append(morphology.qrs_at, at)
    morphology.qrs_width = np.append(morphology.qrs_width, width)
    morphology.qrs_vectors = np.vstack([morphology.qrs_vectors, vector])


def _size(morphology: Morphology) -> float:
    """The QRS amplitude relative to the mean adult's (largest heart vector 1.4 mV)."""
    return float(np.linalg.norm(morphology.qrs_loop(), axis=1).max() / 1.4)


def right_bundle_branch_block(morphology: Morphology, severity: float, complete: bool) -> None:
    """A late vector to the right and front: rSR' in V1, broad S in I and V6. QRS 120 ms or more if complete,
    100 to 119 ms if not; T turns away from the late vector."""
    duration = graded(severity, 0.112, 0.124, 0.165) if complete else graded(severity, 0.098, 0.104, 0.117)
    _lengthen_qrs(morphology, duration)
    late = (0.85 if complete else 0.42) * graded(severity, 0.6, 0.9, 1.3)
    delay = (morphology.qrs - 0.022, 0.009) if not complete else (morphology.qrs - 0.040, 0.0155)
    _append(morphology, delay[0] / morphology.qrs, delay[1] / morphology.qrs, (-0.52 * late, 0.06 * late, -0.62 * late))
    morphology.t += late * np.array([0.10, 0.0, 0.24 if complete else 0.12])


def left_bundle_branch_block(morphology: Morphology, severity: float, complete: bool) -> None:
    """Activation from right to left: no septal q, broad notched R in I, aVL, V5, V6, deep broad S in V1 to V3;
    ST and T opposite to QRS. QRS 120 ms or more if complete, 105 to 119 ms if not."""
    size = np.clip(_size(morphology), 0.75, 1.4) * (1.2 if complete else 0.95)
    turn = rotation(0.4 * (morphology.qrs_axis() - 45)).T
    morphology.qrs = graded(severity, 0.114, 0.126, 0.170) if complete else graded(severity, 0.102, 0.108, 0.118)
    morphology.qrs_at = np.array([0.18, 0.41, 0.63, 0.80])
    morphology.qrs_width = np.array([0.068, 0.105, 0.105, 0.078])
    vectors = np.array([(0.24, 0.08, -0.06), (0.80, 0.46, 0.74), (0.76, 0.18, 0.86), (0.20, 0.02, 0.30)])
    morphology.qrs_vectors = size * vectors @ turn
    discordant = (1.0 if complete else 0.35) * size * graded(severity, 0.7, 1.0, 1.25)
    morphology.st += discordant * np.array([-0.07, -0.03, -0.12])
    morphology.t = (1 - 0.8 * min(1.0, discordant)) * morphology.t + discordant * np.array([-0.26, -0.06, -0.32])


def anterior_fascicular_block(morphology: Morphology, severity: float) -> None:
    """First to the feet and right (small r in II, III, aVF), then up and left: axis -45 to -75 degrees, qR in aVL."""
    _turn_axis(morphology, graded(severity, -30, -48, -72), initial=(-0.10, 0.24, -0.20))


def posterior_fascicular_block(morphology: Morphology, severity: float) -> None:
    """First up and left (small r in I and aVL), then to the feet and right: axis 90 to 150 degrees, qR in III."""
    _turn_axis(morphology, graded(severity, 82, 100, 130), initial=(0.16, -0.22, -0.18))


def _turn_axis(morphology: Morphology, axis: float, initial: tuple[float, float, float]) -> None:
    _lengthen_qrs(morphology, min(morphology.qrs + 0.012, max(morphology.qrs, 0.116)))
    size = np.clip(_size(morphology), 0.6, 1.5)
    first = morphology.qrs_at * morphology.qrs < 0.022
    for _ in range(4):  # the septal vector stays, so the axis answers a little less than the rotation
        turn = rotation(axis - morphology.qrs_axis()).T
        morphology.qrs_vectors = np.where(first[:, None], size * np.array(initial), morphology.qrs_vectors @ turn)
    morphology.t = morphology.t @ rotation(np.clip(0.25 * (axis - 45), -25, 20)).T


def unspecific_delay(morphology: Morphology, severity: float) -> None:
    """QRS of 110 to 140 ms with a notch, in neither bundle's pattern."""
    stretch = graded(severity, 0.106, 0.116, 0.140)
    morphology.qrs = max(stretch, morphology.qrs)
    main = int(np.argmax(np.linalg.norm(morphology.qrs_vectors, axis=1)))
    notch = -0.35 * graded(severity, 0.5, 1.0, 1.6) * morphology.qrs_vectors[main]
    _append(morphology, morphology.qrs_at[main] + 0.05, 0.045, tuple(notch))


def preexcitation(morphology: Morphology, severity: float) -> None:
    """Wolff-Parkinson-White: PR below 120 ms, delta wave, QRS over 110 ms, T away from the delta wave."""
    earlier = graded(severity, 0.015, 0.030, 0.050)
    before = morphology.qrs
    morphology.qrs = max(before + earlier, 0.112)
    shift = morphology.qrs - before
    morphology.qrs_at = (morphology.qrs_at * before + shift) / morphology.qrs
    morphology.qrs_width = morphology.qrs_width * before / morphology.qrs
    # Two kernels make a slope from the onset up to the fast part of the QRS.
    slope = graded(severity, 0.5, 0.9, 1.2) * np.array([0.30, 0.22, -0.14])
    _append(morphology, 0.028 / morphology.qrs, 0.011 / morphology.qrs, tuple(0.55 * slope))
    _append(morphology, (0.028 + 0.55 * shift) / morphology.qrs, 0.013 / morphology.qrs, tuple(slope))
    morphology.pr = min(morphology.pr - shift, graded(severity, 0.122, 0.112, 0.090))
    morphology.p_duration = min(morphology.p_duration, morphology.pr - 0.005)
    morphology.t -= graded(severity, 0.1, 0.3, 0.6) * np.array([0.30, 0.22, -0.14])
