"""Diagnostic statements: which ones the simulator knows, how they change a beat, and which ones a record has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgpipe.acquire.simulate import conditions
from ecgpipe.acquire.simulate.conditions import REGIONS, sample_severity
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.errors import ConfigError


@dataclass(frozen=True)
class Statement:
    """An SCP-ECG statement.

    Attributes:
        kinds: letters of d(iagnostic), f(orm), r(hythm).
        superclass, subclass: those of diagnostic statements, else empty.
        count: records of PTB-XL 1.0.3 with it; gives the relative frequencies within a superclass.
    """

    code: str
    description: str
    kinds: str
    superclass: str
    subclass: str
    count: int


_TABLE = """
NORM     d  NORM NORM      9514 normal ECG
IMI      d  MI   IMI       2676 inferior myocardial infarction
ASMI     d  MI   AMI       2357 anteroseptal myocardial infarction
ILMI     d  MI   IMI        478 inferolateral myocardial infarction
AMI      d  MI   AMI        353 anterior myocardial infarction
ALMI     d  MI   AMI        288 anterolateral myocardial infarction
INJAS    d  MI   AMI        214 subendocardial injury in anteroseptal leads
LMI      d  MI   LMI        201 lateral myocardial infarction
INJAL    d  MI   AMI        145 subendocardial injury in anterolateral leads
IPLMI    d  MI   IMI         51 inferoposterolateral myocardial infarction
IPMI     d  MI   IMI         33 inferoposterior myocardial infarction
PMI      d  MI   PMI         17 posterior myocardial infarction
NDT      df STTC STTC      1825 non-diagnostic T abnormalities
ISC_     d  STTC ISC_      1272 non-specific ischemic ST-T changes
NST_     df STTC NST_       767 non-specific ST changes
ISCAL    d  STTC ISCA       659 ischemic ST-T changes in anterolateral leads
ISCIN    d  STTC ISCI       218 ischemic ST-T changes in inferior leads
DIG      df STTC STTC       181 digitalis effect
ISCIL    d  STTC ISCI       179 ischemic ST-T changes in inferolateral leads
ISCAS    d  STTC ISCA       169 ischemic ST-T changes in anteroseptal leads
ISCLA    d  STTC ISCA       140 ischemic ST-T changes in lateral leads
LNGQT    df STTC STTC       117 long QT interval
ANEUR    d  STTC STTC       104 ST-T changes compatible with ventricular aneurysm
EL       d  STTC STTC        96 electrolytic disturbance or drug
ISCAN    d  STTC ISCA        44 ischemic ST-T changes in anterior leads
LAFB     d  CD   LAFB/LPFB 1623 left anterior fascicular block
IRBBB    d  CD   IRBBB     1118 incomplete right bundle branch block
1AVB     d  CD   _AVB       793 first degree AV block
IVCD     d  CD   IVCD       787 non-specific intraventricular conduction disturbance
CRBBB    d  CD   CRBBB      541 complete right bundle branch block
CLBBB    d  CD   CLBBB      536 complete left bundle branch block
LPFB     d  CD   LAFB/LPFB  177 left posterior fascicular block
WPW      d  CD   WPW         79 Wolff-Parkinson-White syndrome
ILBBB    d  CD   ILBBB       77 incomplete left bundle branch block
LVH      d  HYP  LVH       2132 left ventricular hypertrophy
LAO/LAE  d  HYP  LAO/LAE    426 left atrial overload or enlargement
RVH      d  HYP  RVH        126 right ventricular hypertrophy
RAO/RAE  d  HYP  RAO/RAE     99 right atrial overload or enlargement
SEHYP    d  HYP  SEHYP       29 septal hypertrophy
QWAVE    f  -    -          548 Q waves present
STD_     f  -    -         1009 ST depression
INVT     f  -    -          294 inverted T waves
LOWT     f  -    -          438 low amplitude T waves
VCLVH    f  -    -          875 voltage criteria for left ventricular hypertrophy
LVOLT    f  -    -          182 low QRS voltages
LPR      f  -    -          340 prolonged PR interval
PVC      f  -    -         1143 ventricular premature complex
PAC      f  -    -          398 atrial premature complex
SR       r  -    -        16748 sinus rhythm
AFIB     r  -    -         1514 atrial fibrillation
STACH    r  -    -          826 sinus tachycardia
SARRH    r  -    -          772 sinus arrhythmia
SBRAD    r  -    -          637 sinus bradycardia
AFLT     r  -    -           73 atrial flutter
"""


def _read_table() -> dict[str, Statement]:
    statements = {}
    for line in _TABLE.strip().splitlines():
        code, kinds, superclass, subclass, count, description = line.split(maxsplit=5)
        classes = ("", "") if superclass == "-" else (superclass, subclass)
        statements[code] = Statement(code, description, kinds, *classes, int(count))
    return statements


STATEMENTS = _read_table()


@dataclass(frozen=True)
class Finding:
    """A diagnostic statement to put into a record.

    Attributes:
        code: an SCP statement with a diagnostic class, other than NORM.
        severity: 0 to 1; 0.5 just meets the textbook criterion.
        stage: stage of infarctions, one of ``conditions.STAGES``.
        strain: 0 to 1, the ST-T change of ventricular hypertrophy.
    """

    code: str
    severity: float
    stage: str = "Stadium III"
    strain: float = 0.0


Change = Callable[[Morphology, Finding, np.ndarray], None]


def _by_severity(change: Callable[..., None], **options: object) -> Change:
    return lambda morphology, finding, torso: change(morphology, finding.severity, **options)


def _hypertrophy(change: Callable[..., None]) -> Change:
    return lambda morphology, finding, torso: change(morphology, finding.severity, finding.strain, torso)


def _infarct(region: str) -> Change:
    return lambda morphology, finding, torso: conditions.infarct(
        morphology, finding.severity, REGIONS[region], finding.stage
    )


def _injury(region: str) -> Change:
    return _by_severity(conditions.subendocardial_injury, region=REGIONS[region])


def _ischaemia(region: str) -> Change:
    return _by_severity(conditions.ischaemia, region=REGIONS[region])


_QRS_ST_T, _ST_T = ("QRS", "ST", "T"), ("ST", "T")
_RIGHT_BLOCK, _LEFT_BLOCK = conditions.right_bundle_branch_block, conditions.left_bundle_branch_block
# Code -> changed waves, change; in the order of application: size, activation, loss of muscle, repolarisation.
KINDS: dict[str, tuple[tuple[str, ...], Change]] = {
    "LVH": (_QRS_ST_T, _hypertrophy(conditions.left_ventricular_hypertrophy)),
    "RVH": (_QRS_ST_T, _hypertrophy(conditions.right_ventricular_hypertrophy)),
    "SEHYP": (("QRS",), _by_severity(conditions.septal_hypertrophy)),
    "LAO/LAE": (("P",), _by_severity(conditions.left_atrial_enlargement)),
    "RAO/RAE": (("P",), _by_severity(conditions.right_atrial_enlargement)),
    "LAFB": (("QRS",), _by_severity(conditions.anterior_fascicular_block)),
    "LPFB": (("QRS",), _by_severity(conditions.posterior_fascicular_block)),
    "IVCD": (("QRS",), _by_severity(conditions.unspecific_delay)),
    "IRBBB": (("QRS", "T"), _by_severity(_RIGHT_BLOCK, complete=False)),
    "CRBBB": (("QRS", "T"), _by_severity(_RIGHT_BLOCK, complete=True)),
    "ILBBB": (_QRS_ST_T, _by_severity(_LEFT_BLOCK, complete=False)),
    "CLBBB": (_QRS_ST_T, _by_severity(_LEFT_BLOCK, complete=True)),
    "1AVB": (("PR",), _by_severity(conditions.first_degree_av_block)),
    "WPW": (("PR", "QRS", "T"), _by_severity(conditions.preexcitation)),
    "IMI": (_QRS_ST_T, _infarct("inferior")),
    "ASMI": (_QRS_ST_T, _infarct("anteroseptal")),
    "ILMI": (_QRS_ST_T, _infarct("inferolateral")),
    "AMI": (_QRS_ST_T, _infarct("anterior")),
    "ALMI": (_QRS_ST_T, _infarct("anterolateral")),
    "LMI": (_QRS_ST_T, _infarct("lateral")),
    "IPLMI": (_QRS_ST_T, _infarct("inferoposterolateral")),
    "IPMI": (_QRS_ST_T, _infarct("inferoposterior")),
    "PMI": (_QRS_ST_T, _infarct("posterior")),
    "INJAS": (_ST_T, _injury("anteroseptal")),
    "INJAL": (_ST_T, _injury("anterolateral")),
    "ISC_": (_ST_T, _ischaemia("apical")),
    "ISCAL": (_ST_T, _ischaemia("anterolateral")),
    "ISCIN": (_ST_T, _ischaemia("inferior")),
    "ISCIL": (_ST_T, _ischaemia("inferolateral")),
    "ISCAS": (_ST_T, _ischaemia("anteroseptal")),
    "ISCLA": (_ST_T, _ischaemia("lateral")),
    "ISCAN": (_ST_T, _ischaemia("anterior")),
    "NDT": (("T",), _by_severity(conditions.nondiagnostic_t)),
    "NST_": (_ST_T, _by_severity(conditions.nonspecific_st)),
    "DIG": (_ST_T, _by_severity(conditions.digitalis)),
    "LNGQT": (("T",), _by_severity(conditions.long_qt)),
    "EL": (_ST_T, _by_severity(conditions.electrolytes)),
    "ANEUR": (_QRS_ST_T, _by_severity(conditions.aneurysm)),
}
ORDER = {code: place for place, code in enumerate(KINDS)}
NEEDS_P = frozenset({"LAO/LAE", "RAO/RAE", "1AVB", "WPW"})  # not possible in fibrillation or flutter
BESIDE_NORMAL = frozenset({"IRBBB", "1AVB", "IVCD", "NDT", "NST_", "LAO/LAE"})
COMPANIONS = {
    "CRBBB": ("LAFB", "1AVB"),
    "CLBBB": ("1AVB",),
    "LAFB": ("1AVB", "IRBBB"),
    "IMI": ("ASMI",),
    "ASMI": ("ALMI",),
    "LVH": ("LAO/LAE",),
}
STAGE_SHARES = (0.08, 0.04, 0.10, 0.28, 0.50)


def sample_findings(rng: np.random.Generator, superclasses: Sequence[str], difficulty: float) -> list[Finding]:
    """Random findings of a record with these superclasses: one per superclass, sometimes two of MI, CD or HYP.

    Statements are as frequent within a superclass as in PTB-XL 1.0.3. NORM has no findings; records with NORM and
    another superclass have only incomplete right bundle branch blocks and findings that at most just meet their
    criterion.

    Raises:
        ConfigError: unknown superclass.
    """
    unknown = sorted(set(superclasses) - set(SUPERCLASSES))
    if unknown:
        raise ConfigError(f"unknown superclass {unknown[0]!r}; allowed: {', '.join(SUPERCLASSES)}")
    codes: list[str] = []
    for superclass in SUPERCLASSES[1:]:
        if superclass in superclasses:
            codes += _sample_codes(rng, superclass, beside_normal="NORM" in superclasses)
    findings = []
    for code in codes:
        severity = sample_severity(rng, difficulty)
        stage = str(rng.choice(conditions.STAGES, p=STAGE_SHARES))
        strain = float(rng.random() < 0.45) * float(rng.uniform(0.3, 1.0)) * severity
        if "NORM" in superclasses and code != "IRBBB":
            severity = min(severity, 0.5)
        findings.append(Finding(code, severity, stage, strain))
    return sorted(findings, key=lambda finding: ORDER[finding.code])


def _sample_codes(rng: np.random.Generator, superclass: str, beside_normal: bool) -> list[str]:
    codes = [code for code, statement in STATEMENTS.items() if statement.superclass == superclass]
    if beside_normal:
        codes = [code for code in codes if code in BESIDE_NORMAL] or codes
    counts = np.array([STATEMENTS[code].count for code in codes], dtype=float)
    first = str(rng.choice(codes, p=counts / counts.sum()))
    companions = COMPANIONS.get(first, ())
    # About a seventh of PTB-XL's records with a finding have a second one of the same superclass.
    if companions and not beside_normal and rng.random() < 0.22:
        return [first, str(rng.choice(companions))]
    return [first]


def apply_finding(morphology: Morphology, finding: Finding, torso: np.ndarray) -> tuple[str, ...]:
    """Changes ``morphology`` in place and returns the changed waves (P, PR, QRS, ST, T).

    Args:
        torso: (12, 3) the patient's lead vectors for QRS.

    Raises:
        ConfigError: the finding's code is not in ``KINDS``.
    """
    if finding.code not in KINDS:
        raise ConfigError(f"unknown finding {finding.code!r}; allowed: {', '.join(KINDS)}")
    waves, change = KINDS[finding.code]
    change(morphology, finding, torso)
    return waves
