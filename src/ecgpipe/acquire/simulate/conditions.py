"""Clinical conditions as changes of a beat: conduction, hypertrophy, infarction, repolarisation.

Every function changes a morphology in place. ``severity`` (0 to 1) translates into mV or ms; at 0.5 a finding just
meets its textbook criterion.

Criteria: AHA/ACCF/HRS recommendations for the standardization and interpretation of the electrocardiogram, part III
(conduction, Surawicz et al., J Am Coll Cardiol 53, 2009) and part V (hypertrophy, Hancock et al., same volume); fourth
universal definition of myocardial infarction (Thygesen et al., Circulation 138, 2018).
"""

from dataclasses import dataclass

import numpy as np

from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.patient import STANDARD_LEADS, lead_vectors, rotation
from ecgpipe.lead_names import LEADS

THRESHOLD = 0.5  # severity at which a finding just meets its criterion
STAGES = ("Stadium I", "Stadium I-II", "Stadium II", "Stadium II-III", "Stadium III")  # acute to old, PTB-XL's names


def sample_severity(rng: np.random.Generator, difficulty: float) -> float:
    """A severity in 0.1 to 1, below the criterion (0.5) with probability ``difficulty``."""
    below, mild, marked = rng.random() < difficulty, rng.uniform(0.1, THRESHOLD), rng.beta(1.4, 2.2)
    return float(mild if below else THRESHOLD + (1 - THRESHOLD) * marked)


def graded(severity: float, absent: float, criterion: float, severe: float) -> float:
    """``absent`` at severity 0, ``criterion`` at 0.5, ``severe`` at 1, linear in between."""
    return float(np.interp(severity, (0, THRESHOLD, 1), (absent, criterion, severe)))


@dataclass(frozen=True)
class Region:
    """A wall of the left ventricle.

    Attributes:
        direction: (3,) from the centre of the heart to the wall, body axes.
        leads: leads that face the wall; for the posterior wall, the leads that show its mirror image.
        sign: 1 if the leads face the wall, -1 if they face away.
    """

    direction: tuple[float, float, float]
    leads: tuple[str, ...]
    sign: int = 1

    def vector(self, millivolts: float) -> np.ndarray:
        """(3,): dipole towards the wall whose mean over its leads is ``millivolts``."""
        direction = np.array(self.direction)
        return direction * millivolts * self.sign / (lead_vectors(self.leads) @ direction).mean()

    def mean_over_leads(self, vector: np.ndarray) -> float:
        """The mean of ``vector`` (mV) over the wall's leads, positive towards the wall."""
        return float(self.sign * (lead_vectors(self.leads) @ vector).mean())

    def unit(self) -> np.ndarray:
        """(3,): the direction with length 1."""
        return np.array(self.direction) / np.linalg.norm(self.direction)


REGIONS = {
    "anteroseptal": Region((0.05, -0.10, -1.0), ("V1", "V2", "V3")),
    "anterior": Region((0.35, -0.10, -0.90), ("V2", "V3", "V4")),
    "anterolateral": Region((0.80, -0.50, -0.60), ("I", "AVL", "V3", "V4", "V5", "V6")),
    "lateral": Region((1.00, -0.55, 0.15), ("I", "AVL", "V5", "V6")),
    "inferior": Region((-0.15, 1.00, 0.10), ("II", "III", "AVF")),
    "inferolateral": Region((0.60, 0.90, 0.10), ("II", "III", "AVF", "V5", "V6")),
    "posterior": Region((0.10, 0.10, 1.00), ("V1", "V2", "V3"), sign=-1),
    "inferoposterior": Region((-0.10, 0.90, 0.40), ("II", "III", "AVF")),
    "inferoposterolateral": Region((0.50, 0.85, 0.40), ("II", "III", "AVF", "V6")),
    "apical": Region((1.00, 0.50, 0.00), ("I", "II", "V4", "V5", "V6")),
}


# Conduction: the ventricles are activated late, or in another order.


def _lengthen_qrs(morphology: Morphology, seconds: float) -> None:
    """Lengthens the QRS; its kernels keep their times."""
    seconds = max(seconds, morphology.qrs)
    morphology.qrs_at = morphology.qrs_at * morphology.qrs / seconds
    morphology.qrs_width = morphology.qrs_width * morphology.qrs / seconds
    morphology.qrs = seconds


def _append_qrs(morphology: Morphology, at: object, width: object, vector: object) -> None:
    """Adds one or several QRS kernels."""
    morphology.qrs_at = np.append(morphology.qrs_at, at)
    morphology.qrs_width = np.append(morphology.qrs_width, width)
    morphology.qrs_vectors = np.vstack([morphology.qrs_vectors, vector])


def _relative_size(morphology: Morphology) -> float:
    """QRS amplitude relative to the mean adult's (largest heart vector 1.4 mV)."""
    return float(np.linalg.norm(morphology.qrs_loop(), axis=1).max() / 1.4)


def first_degree_av_block(morphology: Morphology, severity: float) -> None:
    """PR over 200 ms."""
    morphology.pr = max(morphology.pr, graded(severity, 0.188, 0.204, 0.300))


def right_bundle_branch_block(morphology: Morphology, severity: float, complete: bool) -> None:
    """Late vector to the right and front: rSR' in V1, broad S in I and V6, discordant T.

    QRS of 120 ms or more if complete, otherwise 100 to 119 ms.
    """
    duration = graded(severity, 0.112, 0.124, 0.165) if complete else graded(severity, 0.098, 0.104, 0.117)
    _lengthen_qrs(morphology, duration)
    late = (0.85 if complete else 0.42) * graded(severity, 0.6, 0.9, 1.3)
    at, width = (morphology.qrs - 0.040, 0.0155) if complete else (morphology.qrs - 0.022, 0.009)
    vector = (-0.52 * late, 0.06 * late, -0.62 * late)
    _append_qrs(morphology, at / morphology.qrs, width / morphology.qrs, vector)
    morphology.t += late * np.array([0.10, 0.0, 0.24 if complete else 0.12])


def left_bundle_branch_block(morphology: Morphology, severity: float, complete: bool) -> None:
    """Activation from right to left: no septal q, broad notched R in I, aVL, V5, V6, deep broad S in V1 to V3.

    ST and T are discordant. QRS of 120 ms or more if complete, otherwise 102 to 118 ms.
    """
    size = np.clip(_relative_size(morphology), 0.75, 1.4) * (1.2 if complete else 0.95)
    rotated = rotation(0.4 * (morphology.qrs_axis() - 45)).T
    morphology.qrs = graded(severity, 0.114, 0.126, 0.170) if complete else graded(severity, 0.102, 0.108, 0.118)
    morphology.qrs_at = np.array([0.18, 0.41, 0.63, 0.80])
    morphology.qrs_width = np.array([0.068, 0.105, 0.105, 0.078])
    vectors = np.array([(0.24, 0.08, -0.06), (0.80, 0.46, 0.74), (0.76, 0.18, 0.86), (0.20, 0.02, 0.30)])
    morphology.qrs_vectors = size * vectors @ rotated
    discordant = (1.0 if complete else 0.35) * size * graded(severity, 0.7, 1.0, 1.25)
    morphology.st += discordant * np.array([-0.07, -0.03, -0.12])
    morphology.t = (1 - 0.8 * min(1.0, discordant)) * morphology.t + discordant * np.array([-0.26, -0.06, -0.32])


def anterior_fascicular_block(morphology: Morphology, severity: float) -> None:
    """First to the feet and right (small r in II, III, aVF), then up and left: axis -45 to -75 degrees, qR in aVL."""
    _rotate_axis(morphology, graded(severity, -30, -48, -72), initial=(-0.10, 0.24, -0.20))


def posterior_fascicular_block(morphology: Morphology, severity: float) -> None:
    """First up and left (small r in I and aVL), then to the feet and right: axis 90 to 140 degrees, qR in III."""
    _rotate_axis(morphology, graded(severity, 82, 100, 130), initial=(0.16, -0.22, -0.18))


def _rotate_axis(morphology: Morphology, axis: float, initial: tuple[float, float, float]) -> None:
    _lengthen_qrs(morphology, min(morphology.qrs + 0.012, max(morphology.qrs, 0.116)))
    size = np.clip(_relative_size(morphology), 0.6, 1.5)
    first = morphology.qrs_at * morphology.qrs < 0.022
    for _ in range(4):  # the septal vector stays, so the axis follows the rotation only partly
        rotated = morphology.qrs_vectors @ rotation(axis - morphology.qrs_axis()).T
        morphology.qrs_vectors = np.where(first[:, None], size * np.array(initial), rotated)
    morphology.t = morphology.t @ rotation(np.clip(0.25 * (axis - 45), -25, 20)).T


def unspecific_delay(morphology: Morphology, severity: float) -> None:
    """QRS of 110 to 140 ms with a notch, in neither bundle's pattern."""
    morphology.qrs = max(graded(severity, 0.106, 0.116, 0.140), morphology.qrs)
    main = int(np.argmax(np.linalg.norm(morphology.qrs_vectors, axis=1)))
    notch = -0.35 * graded(severity, 0.5, 1.0, 1.6) * morphology.qrs_vectors[main]
    _append_qrs(morphology, morphology.qrs_at[main] + 0.05, 0.045, notch)


def preexcitation(morphology: Morphology, severity: float) -> None:
    """Wolff-Parkinson-White: PR below 120 ms, delta wave, QRS over 110 ms, T opposite to the delta wave."""
    before = morphology.qrs
    morphology.qrs = max(before + graded(severity, 0.015, 0.030, 0.050), 0.112)
    shift = morphology.qrs - before
    morphology.qrs_at = (morphology.qrs_at * before + shift) / morphology.qrs
    morphology.qrs_width = morphology.qrs_width * before / morphology.qrs
    # Two kernels form a slope from the onset to the fast part of the QRS.
    slope = graded(severity, 0.5, 0.9, 1.2) * np.array([0.30, 0.22, -0.14])
    _append_qrs(morphology, 0.028 / morphology.qrs, 0.011 / morphology.qrs, 0.55 * slope)
    _append_qrs(morphology, (0.028 + 0.55 * shift) / morphology.qrs, 0.013 / morphology.qrs, slope)
    morphology.pr = min(morphology.pr - shift, graded(severity, 0.122, 0.112, 0.090))
    morphology.p_duration = min(morphology.p_duration, morphology.pr - 0.005)
    morphology.t -= graded(severity, 0.1, 0.3, 0.6) * np.array([0.30, 0.22, -0.14])


# Hypertrophy: more muscle, larger vectors, later repolarisation; and enlarged atria.


def sokolow_lyon(morphology: Morphology, torso: np.ndarray = STANDARD_LEADS) -> float:
    """S in V1 plus the larger R of V5 and V6, mV, on a torso with lead vectors (12, 3)."""
    leads = morphology.qrs_loop() @ torso.T
    r = leads[:, [LEADS.index("V5"), LEADS.index("V6")]].max()
    return float(max(0.0, -leads[:, LEADS.index("V1")].min()) + max(0.0, r))


def left_ventricular_hypertrophy(morphology: Morphology, severity: float, strain: float, torso: np.ndarray) -> None:
    """Sokolow-Lyon voltage of 3.5 mV or more on this ``torso`` (12, 3).

    ``strain`` (0 to 1) depresses ST and inverts T laterally, with the mirror image in V1 and V2.
    """
    target = graded(severity, 2.7, 3.65, 5.6)
    morphology.qrs_vectors = morphology.qrs_vectors @ rotation(-8, 6).T
    growth = max(1.0, target / max(sokolow_lyon(morphology, torso), 0.5))
    # The left ventricle is on the left and at the back; septal and downward forces grow less.
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
    """R of 0.7 mV or more in V1 on this ``torso`` (12, 3), deep S in V5 and V6, axis beyond 90 degrees."""
    share = graded(severity, 0.35, 0.72, 1.0)
    size = np.linalg.norm(morphology.qrs_loop(), axis=1).max() / 1.4
    main = morphology.qrs_at * morphology.qrs >= 0.022
    right = np.zeros((main.sum(), 3))
    right[0] = (0.10, 0.45, -0.50)
    right[1:3] = (-0.28, 0.80, -0.42)
    right[2:3] = (-0.35, 0.10, -0.15)
    morphology.qrs_vectors[main] = (1 - share) * morphology.qrs_vectors[main] + share * size * right
    v1 = torso[LEADS.index("V1")]
    for _ in range(5):  # the right ventricle grows until R in V1 reaches the target
        missing = graded(severity, 0.30, 0.78, 1.5) - (morphology.qrs_loop() @ v1).max()
        late = np.flatnonzero(main)[1:3]
        morphology.qrs_vectors[late] += max(0.0, missing) * np.array([-0.35, 0.15, -0.50])
    morphology.t += strain * np.array([0.05, -0.10, 0.20])
    morphology.st += strain * np.array([0.02, -0.03, 0.06])


def left_atrial_enlargement(morphology: Morphology, severity: float) -> None:
    """P of 120 ms or more, notched in II, with a deep terminal part in V1 (over 40 mm ms)."""
    morphology.p_duration = max(morphology.p_duration, graded(severity, 0.112, 0.122, 0.150))
    morphology.p_at, morphology.p_width = np.array([0.34, 0.68]), np.array([0.125, 0.125])
    if len(morphology.p_vectors):
        morphology.p_vectors[1] += graded(severity, 0.2, 0.6, 1.2) * np.array([0.05, 0.02, 0.07])
    morphology.pr = max(morphology.pr, morphology.p_duration + 0.02)


def right_atrial_enlargement(morphology: Morphology, severity: float) -> None:
    """P over 0.25 mV in II."""
    if len(morphology.p_vectors):
        in_ii = float(morphology.p_vectors.sum(axis=0) @ STANDARD_LEADS[1])
        growth = graded(severity, 0.20, 0.29, 0.42) / max(in_ii, 0.03)
        morphology.p_vectors[0] += max(0.0, growth - 1) * in_ii * np.array([0.0, 0.9, -0.4])
    morphology.p_at, morphology.p_width = np.array([0.46, 0.60]), np.array([0.15, 0.15])


# Infarction. Dead muscle has no forces, so the rest of the heart pulls the early QRS away from the wall (pathological
# Q, loss of R). Injured muscle pulls ST towards the wall, or away from it if only the inner layer is injured.
# Ischaemic muscle turns T away. The mirror image in the opposite leads follows from the geometry.


def infarct(morphology: Morphology, severity: float, region: Region, stage: str) -> None:
    """Transmural infarction in one of ``STAGES``.

    At severity 0.5 the mean over the wall's leads is 0.15 mV of ST elevation in a fresh infarction, and a Q of 0.2 mV
    and 30 ms once Q waves have formed.
    """
    age = STAGES.index(stage)
    necrosis = (0.15, 0.6, 1.0, 1.0, 1.0)[age]
    injury = (1.0, 1.0, 0.6, 0.2, 0.0)[age]
    _remove_forces(morphology, severity, region, necrosis)
    morphology.st += injury * region.vector(graded(severity, 0.04, 0.17, 0.42))
    t = region.mean_over_leads(morphology.t)
    target = (
        t + graded(severity, 0.05, 0.2, 0.6),  # hyperacute
        t + graded(severity, 0.0, 0.05, 0.2),
        graded(severity, 0.1, -0.12, -0.4),
        graded(severity, 0.1, -0.15, -0.4),
        graded(severity, 0.15, -0.02, -0.15),
    )[age]
    morphology.t += region.vector(target - t)
    if age == 1:  # terminal inversion begins while ST is still elevated
        morphology.t_end -= region.vector(graded(severity, 0.05, 0.15, 0.4))


def _remove_forces(morphology: Morphology, severity: float, region: Region, necrosis: float) -> None:
    towards = region.unit()
    along = morphology.qrs_vectors @ towards
    early = morphology.qrs_at * morphology.qrs < 0.045
    posterior = region.direction[2] > 0.3  # depolarised late: the mirrored Q is a tall, broad R in V1 to V3
    lost = np.where(early != posterior, 0.95, 0.5) * necrosis * graded(severity, 0.3, 0.75, 1.0)
    morphology.qrs_vectors -= (lost * np.maximum(along, 0))[:, None] * towards
    morphology.qrs += 0.006 * necrosis
    pull = region.vector(-necrosis * graded(severity, 0.08, 0.26, 0.75))
    at, width, pulls = ([0.045], [0.012], [pull]) if region.sign < 0 else ([0.028], [0.0115], [pull])
    if region.direction[2] < -0.55:  # a large anterior scar also keeps the later forces back: R does not grow to V4
        at, width, pulls = [*at, 0.048], [*width, 0.015], [*pulls, 1.1 * pull]
    _append_qrs(morphology, np.array(at) / morphology.qrs, np.array(width) / morphology.qrs, np.array(pulls))


def subendocardial_injury(morphology: Morphology, severity: float, region: Region) -> None:
    """ST depression with an upright or flat T over ``region``."""
    morphology.st -= region.vector(graded(severity, 0.04, 0.13, 0.32))
    morphology.t += region.vector(0.5 * (graded(severity, 0.2, 0.0, -0.1) - region.mean_over_leads(morphology.t)))


# Repolarisation without infarction: ischaemia, non-specific changes, drugs and electrolytes.


def _lower_t_to(morphology: Morphology, region: Region, millivolts: float) -> None:
    """Lowers T until its mean over the region's leads is at most ``millivolts``."""
    morphology.t += region.vector(min(0.0, millivolts - region.mean_over_leads(morphology.t)))


def ischaemia(morphology: Morphology, severity: float, region: Region) -> None:
    """Horizontal ST depression and T inversion over ``region``; 0.06 mV and -0.10 mV at severity 0.5."""
    morphology.st -= region.vector(graded(severity, 0.02, 0.06, 0.20))
    _lower_t_to(morphology, region, graded(severity, 0.10, -0.10, -0.42))


def nondiagnostic_t(morphology: Morphology, severity: float) -> None:
    """Low or flat T waves in all leads (below a tenth of R)."""
    morphology.t *= graded(severity, 0.8, 0.45, 0.05)
    _lower_t_to(morphology, REGIONS["apical"], graded(severity, 0.18, 0.09, -0.03))


def nonspecific_st(morphology: Morphology, severity: float) -> None:
    """ST depression of less than 0.1 mV with a low T."""
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
    """Persistent ST elevation over an old anterior scar: loss of R, dome-shaped ST, T inversion."""
    region = REGIONS["anterior"]
    early = morphology.qrs_at * morphology.qrs < 0.045
    along = np.maximum(morphology.qrs_vectors @ region.unit(), 0) * early
    morphology.qrs_vectors -= graded(severity, 0.4, 0.8, 1.0) * along[:, None] * region.unit()
    morphology.st += region.vector(graded(severity, 0.06, 0.16, 0.35))
    _lower_t_to(morphology, region, graded(severity, 0.1, -0.1, -0.3))
