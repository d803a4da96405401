"""Myocardial infarction: dead, injured and ischaemic muscle of one wall.

Dead muscle makes no forces, so the rest of the heart pulls the early QRS away from the wall (the pathological Q,
the loss of R); injured muscle pulls ST towards it (away from it where only the inner layer is injured);
ischaemic muscle turns T away. The opposite leads show the mirror image by the geometry alone.
"""

import numpy as np

from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.regions import Region
from ecgpipe.acquire.simulate.severity import graded

STAGES = ("Stadium I", "Stadium I-II", "Stadium II", "Stadium II-III", "Stadium III")  # acute to old, PTB-XL's names


def infarct(morphology: Morphology, severity: float, region: Region, stage: str) -> None:
    """Transmural infarction of ``region``, in place.

    At severity 0.5 the wall's leads show on average 0.15 mV of ST elevation when fresh, and a Q of 0.2 mV and 40 ms
    when Q waves have formed.

    Raises:
        ValueError: ``stage`` is not one of ``STAGES``.
    """
    age = STAGES.index(stage)
    necrosis = (0.15, 0.6, 1.0, 1.0, 1.0)[age]
    injury = (1.0, 1.0, 0.6, 0.2, 0.0)[age]
    _remove_forces(morphology, severity, region, necrosis)
    morphology.st += injury * region.vector(graded(severity, 0.04, 0.17, 0.42))
    seen = region.seen(morphology.t)
    target = {
        0: seen + graded(severity, 0.05, 0.2, 0.6),  # hyperacute
        1: seen + graded(severity, 0.0, 0.05, 0.2),
        2: graded(severity, 0.1, -0.12, -0.4),
        3: graded(severity, 0.1, -0.15, -0.4),
        4: graded(severity, 0.15, -0.02, -0.15),
    }[age]
    morphology.t += region.vector(target - seen)
    if age == 1:  # terminal inversion begins while ST is still raised
        morphology.t_end -= region.vector(graded(severity, 0.05, 0.15, 0.4))


def _remove_forces(morphology: Morphology, severity: float, region: Region, necrosis: float) -> None:
    towards = region.unit()
    along = morphology.qrs_vectors @ towards
    early = morphology.qrs_at * morphology.qrs < 0.045
    posterior = region.direction[2] > 0.3  # depolarised late: the mirrored Q is a tall, broad R in V1 to V3
    lost = np.where(early != posterior, 0.95, 0.5) * necrosis * graded(severity, 0.3, 0.75, 1.0)
    morphology.qrs_vectors -= (lost * np.maximum(along, 0))[:, None] * towards
    morphology.qrs += 0.006 * necrosis
    centre, width = (0.045, 0.012) if region.sign < 0 else (0.028, 0.0115)
    pull = region.vector(-necrosis * graded(severity, 0.08, 0.26, 0.75))
    # A large anterior scar also leaves the later forces pointing back: R does not grow from V1 to V4.
    centres, widths, pulls = [centre], [width], [pull]
    if region.direction[2] < -0.55:
        centres, widths, pulls = [*centres, 0.048], [*widths, 0.015], [*pulls, 1.1 * pull]
    morphology.qrs_at = np.append(morphology.qrs_at, np.array(centres) / morphology.qrs)
    morphology.qrs_width = np.append(morphology.qrs_width, np.array(widths) / morphology.qrs)
    morphology.qrs_vectors = np.vstack([morphology.qrs_vectors, *pulls])


def subendocardial_injury(morphology: Morphology, severity: float, region: Region, stage: str) -> None:
    """ST depression with an upright or flattened T over ``region``, in place; ``stage`` has no effect."""
    del stage
    morphology.st -= region.vector(graded(severity, 0.04, 0.13, 0.32))
    morphology.t += region.vector(0.5 * (graded(severity, 0.2, 0.0, -0.1) - region.seen(morphology.t)))
