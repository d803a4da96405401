"""Which statement changes which waves, and which statements a record of given superclasses carries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ecgpipe.acquire.simulate import conduction, hypertrophy, infarction, repolarisation
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.acquire.simulate.regions import REGIONS
from ecgpipe.acquire.simulate.severity import draw_severity
from ecgpipe.acquire.simulate.statements import STATEMENTS, codes_of
from ecgpipe.config.labels import SUPERCLASSES
from ecgpipe.errors import ConfigError


@dataclass(frozen=True)
class Finding:
    """One diagnostic statement to put into a record.

    Attributes:
        code: an SCP statement with a diagnostic class, other than NORM.
        severity: 0 to 1; 0.5 just meets the textbook criterion.
        stage: for infarctions one of ``infarction.STAGES``.
        strain: 0 to 1, the ST-T change that goes with ventricular hypertrophy.
    """

    code: str
    severity: float
    stage: str = "Stadium III"
    strain: float = 0.0


Change = Callable[[Morphology, Finding, np.ndarray], None]


def _plain(change: Callable[..., None], **options: object) -> Change:
    return lambda morphology, finding, torso: change(morphology, finding.severity, **options)


def _wall(change: Callable[..., None], region: str) -> Change:
    return lambda m, finding, torso: change(m, finding.severity, REGIONS[region], finding.stage)


def _left_ventricle(morphology: Morphology, finding: Finding, torso: np.ndarray) -> None:
    hypertrophy.left_ventricular_hypertrophy(morphology, finding.severity, finding.strain, torso)


def _right_ventricle(morphology: Morphology, finding: Finding, torso: np.ndarray) -> None:
    hypertrophy.right_ventricular_hypertrophy(morphology, finding.severity, finding.strain, torso)


_infarct = partial(_wall, infarction.infarct)
_injury = partial(_wall, infarction.subendocardial_injury)
_ALL, _ST_T = ("QRS", "ST", "T"), ("ST", "T")

# In the order in which they are applied: size, then activation, then loss of muscle, then repolarisation.
KINDS: dict[str, tuple[tuple[str, ...], Change]] = {
    "LVH": (_ALL, _left_ventricle),
    "RVH": (_ALL, _right_ventricle),
    "SEHYP": (("QRS",), _plain(hypertrophy.septal_hypertrophy)),
    "LAO/LAE": (("P",), _plain(hypertrophy.left_atrial_enlargement)),
    "RAO/RAE": (("P",), _plain(hypertrophy.right_atrial_enlargement)),
    "LAFB": (("QRS",), _plain(conduction.anterior_fascicular_block)),
    "LPFB": (("QRS",), _plain(conduction.posterior_fascicular_block)),
    "IVCD": (("QRS",), _plain(conduction.unspecific_delay)),
    "IRBBB": (("QRS", "T"), _plain(conduction.right_bundle_branch_block, complete=False)),
    "CRBBB": (("QRS", "T"), _plain(conduction.right_bundle_branch_block, complete=True)),
    "ILBBB": (_ALL, _plain(conduction.left_bundle_branch_block, complete=False)),
    "CLBBB": (_ALL, _plain(conduction.left_bundle_branch_block, complete=True)),
    "1AVB": (("PR",), _plain(conduction.first_degree_av_block)),
    "WPW": (("PR", "QRS", "T"), _plain(conduction.preexcitation)),
    "IMI": (_ALL, _infarct("inferior")),
    "ASMI": (_ALL, _infarct("anteroseptal")),
    "ILMI": (_ALL, _infarct("inferolateral")),
    "AMI": (_ALL, _infarct("anterior")),
    "ALMI": (_ALL, _infarct("anterolateral")),
    "LMI": (_ALL, _infarct("lateral")),
    "IPLMI": (_ALL, _infarct("inferoposterolateral")),
    "IPMI": (_ALL, _infarct("inferoposterior")),
    "PMI": (_ALL, _infarct("posterior")),
    "INJAS": (_ST_T, _injury("anteroseptal")),
    "INJAL": (_ST_T, _injury("anterolateral")),
    "ISC_": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["apical"])),
    "ISCAL": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["anterolateral"])),
    "ISCIN": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["inferior"])),
    "ISCIL": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["inferolateral"])),
    "ISCAS": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["anteroseptal"])),
    "ISCLA": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["lateral"])),
    "ISCAN": (_ST_T, _plain(repolarisation.ischaemia, region=REGIONS["anterior"])),
    "NDT": (("T",), _plain(repolarisation.nondiagnostic_t)),
    "NST_": (_ST_T, _plain(repolarisation.nonspecific_st)),
    "DIG": (_ST_T, _plain(repolarisation.digitalis)),
    "LNGQT": (("T",), _plain(repolarisation.long_qt)),
    "EL": (_ST_T, _plain(repolarisation.electrolytes)),
    "ANEUR": (_ALL, _plain(repolarisation.aneurysm)),
}
ORDER = {code: place for place, code in enumerate(KINDS)}
NEEDS_P = frozenset({"LAO/LAE", "RAO/RAE", "1AVB", "WPW"})  # say nothing in fibrillation or flutter
Q_STAGES = frozenset({"Stadium II", "Stadium II-III", "Stadium III"})

_STAGE_SHARES = {
    "Stadium I": 0.08,
    "Stadium I-II": 0.04,
    "Stadium II": 0.10,
    "Stadium II-III": 0.28,
    "Stadium III": 0.50,
}


def draw_findings(rng: np.random.Generator, superclasses: Sequence[str], difficulty: float) -> list[Finding]:
    """The findings of a record of these superclasses: one a superclass, sometimes two of MI or CD.

    Statements occur within a superclass as often as in PTB-XL 1.0.3. NORM has none; beside NORM only
    conduction findings and repolarisation findings short of their criterion occur.

    Raises:
        ConfigError: a superclass is not one of ``SUPERCLASSES``.
    """
    unknown = sorted(set(superclasses) - set(SUPERCLASSES))
    if unknown:
        raise ConfigError(f"unknown superclass {unknown[0]!r}: allowed are {', '.join(SUPERCLASSES)}")
    codes: list[str] = []
    for superclass in SUPERCLASSES[1:]:
        if superclass in superclasses:
            codes += _draw_codes(rng, superclass, beside_normal="NORM" in superclasses)
    findings = []
    for code in codes:
        severity = draw_severity(rng, difficulty)
        stage = str(rng.choice(list(_STAGE_SHARES), p=list(_STAGE_SHARES.values())))
        strain = float(rng.random() < 0.45) * float(rng.uniform(0.3, 1.0)) * severity
        if "NORM" in superclasses and code != "IRBBB":
            severity = min(severity, 0.5)
        findings.append(Finding(code, severity, stage, strain))
    return sorted(findings, key=lambda finding: ORDER[finding.code])


def _draw_codes(rng: np.random.Generator, superclass: str, beside_normal: bool) -> list[str]:
    codes = codes_of(superclass)
    if beside_normal:
        codes = tuple(code for code in codes if code in {"IRBBB", "1AVB", "IVCD", "NDT", "NST_", "LAO/LAE"}) or codes
    counts = np.array([STATEMENTS[code].count for code in codes], dtype=float)
    first = str(rng.choice(codes, p=counts / counts.sum()))
    companions = {
        "CRBBB": ("LAFB", "1AVB"),
        "CLBBB": ("1AVB",),
        "LAFB": ("1AVB", "IRBBB"),
        "IMI": ("ASMI",),
        "ASMI": ("ALMI",),
        "LVH": ("LAO/LAE",),
    }.get(first, ())
    # About a seventh of PTB-XL's records with a finding carry a second one of the same superclass.
    if companions and not beside_normal and rng.random() < 0.22:
        return [first, str(rng.choice(companions))]
    return [first]


def apply_finding(morphology: Morphology, finding: Finding, torso: np.ndarray) -> tuple[str, ...]:
    """Changes ``morphology`` in place and returns the waves that carry the finding (P, PR, QRS, ST, T).

    Args:
        torso: (12, 3) the patient's lead vectors for QRS.

    Raises:
        ConfigError: the finding's code is not in ``KINDS``.
    """
    if finding.code not in KINDS:
        raise ConfigError(f"unknown finding {finding.code!r}: allowed are {', '.join(KINDS)}")
    waves, change = KINDS[finding.code]
    change(morphology, finding, torso)
    return waves
