"""ST-T changes without infarction: ischaemia, non-specific changes, drugs and electrolytes."""

import numpy as np

from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.regions import REGIONS, Region
from ecgpipe.acquire.simulate.severity import graded


def _bring_t_to(morphology: Morphology, region: Region, millivolts: float) -> None:
    """Lowers T until its mean over the region's leads is at most ``millivolts``."""
    morphology.t += region.vector(min(0.0, millivolts - region.seen(morphology.t)))


def ischaemia(morphology: Morphology, severity: float, region: Region) -> None:
    """Horizontal ST depression and T inversion over ``region``; 0.06 mV and -0.10 mV at severity 0.5."""
    morphology.st -= region.vector(graded(severity, 0.02, 0.06, 0.20))
    _bring_t_to(morphology, region, graded(severity, 0.10, -0.10, -0.42))


def nondiagnostic_t(morphology: Morphology, severity: float) -> None:
    """Low or flat T waves in all leads (below a tenth of R)."""
    shrink = graded(severity, 0.8, 0.45, 0.05)
    morphology.t *= shrink
    _bring_t_to(morphology, REGIONS["apical"], graded(severity, 0.18, 0.09, -0.03))


def nonspecific_st(morphology: Morphology, severity: float) -> None:
    """ST depression of less than 0.1 mV with low T."""
    morphology.st -= REGIONS["apical"].vector(graded(severity, 0.01, 0.055, 0.09))
    morphology.t *= graded(severity, 1.0, 0.75, 0.5)


def digitalis(morphology: Morphology, severity: float) -> None:
    """A sagging ST (mean depth 0.1 mV at severity 0.5), low T, short QT."""
    morphology.st_sag -= REGIONS["apical"].vector(graded(severity, 0.04, 0.11, 0.22))
    morphology.t *= graded(severity, 0.9, 0.6, 0.35)
    morphology.qtc -= graded(severity, 0.005, 0.02, 0.035)


def long_qt(morphology: Morphology, severity: float) -> None:
    """QTc (Fridericia) of 480 ms at severity 0.5."""
    morphology.qtc = max(morphology.qtc, graded(severity, 0.450, 0.480, 0.560))


def electrolytes(morphology: Morphology, severity: float) -> None:
    """Low potassium: flat T, ST depression, prominent U."""
    morphology.t *= graded(severity, 0.8, 0.4, 0.2)
    morphology.st -= REGIONS["apical"].vector(graded(severity, 0.01, 0.05, 0.1))
    morphology.u += graded(severity, 0.03, 0.09, 0.18) * np.array([0.5, 0.25, -0.8])


def aneurysm(morphology: Morphology, severity: float) -> None:
    """ST elevation that persists over an old anterior scar: loss of R, dome-shaped ST, T inversion."""
    region = REGIONS["anterior"]
    early = morphology.qrs_at * morphology.qrs < 0.045
    along = np.maximum(morphology.qrs_vectors @ region.unit(), 0) * early
    morphology.qrs_vectors -= graded(severity, 0.4, 0.8, 1.0) * along[:, None] * region.unit()
    morphology.st += region.vector(graded(severity, 0.06, 0.16, 0.35))
    _bring_t_to(morphology, region, graded(severity, 0.1, -0.1, -0.3))
