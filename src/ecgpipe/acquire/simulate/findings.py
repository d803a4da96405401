"""The SCP-ECG statements that the simulator makes, as rows of PTB-XL's ``scp_statements.csv``.

Which statement changes which waves, and which statements a record of given superclasses carries.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ecgpipe.acquire.simulate import conditions
from ecgpipe.acquire.simulate.conditions import REGIONS, sample_severity
from ecgpipe.acquire.simulate.morphology import Morphology
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.errors import ConfigError

COLUMNS = (
    "",
    "description",
    "diagnostic",
    "form",
    "rhythm",
    "diagnostic_class",
    "diagnostic_subclass",
    "Statement Category",
    "SCP-ECG Statement Description",
    "AHA code",
    "aECG REFID",
    "CDISC Code",
    "DICOM Code",
)


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        kinds: letters of d(iagnostic), f(orm), r(hythm).
        count: records of PTB-XL 1.0.3 that carry it: the simulator's relative frequencies within a superclass.
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
        blank = superclass == "-"
        statements[code] = Statement(
            code, description, kinds, "" if blank else superclass, "" if blank else subclass, int(count)
        )
    return statements


STATEMENTS = _read_table()


def codes_of(superclass: str) -> tuple[str, ...]:
    """The codes of one superclass, most frequent first."""
    return tuple(code for code, statement in STATEMENTS.items() if statement.superclass == superclass)


def statements_csv() -> str:
    """The text of ``scp_statements.csv``: PTB-XL's columns, flags as ``1.0`` or empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for statement in STATEMENTS.values():
        flags = ["1.0" if kind in statement.kinds else "" for kind in "dfr"]
        category = {"d": "diagnostic", "f": "form", "r": "rhythm"}[statement.kinds[0]]
        row = [statement.code, statement.description, *flags, statement.superclass, statement.subclass]
        writer.writerow([*row, category, statement.description, "", "", "", ""])
    return text.getvalue()


@dataclass(frozen=True)
class Finding:
    """One diagnostic statement to put into a record.

    Attributes:
        code: an SCP statement with a diagnostic class, other than NORM.
        severity: 0 to 1; 0.5 just meets the textbook criterion.
        stage: for infarctions one of ``conditions.STAGES``.
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
    conditions.left_ventricular_hypertrophy(morphology, finding.severity, finding.strain, torso)


def _right_ventricle(morphology: Morphology, finding: Finding, torso: np.ndarray) -> None:
    conditions.right_ventricular_hypertrophy(morphology, finding.severity, finding.strain, torso)


_infarct = partial(_wall, conditions.infarct)
_injury = partial(_wall, conditions.subendocardial_injury)
_ALL, _ST_T = ("QRS", "ST", "T"), ("ST", "T")

# In the order in which they are applied: size, then activation, then loss of muscle, then repolarisation.
KINDS: dict[str, tuple[tuple[str, ...], Change]] = {
    "LVH": (_ALL, _left_ventricle),
    "RVH": (_ALL, _right_ventricle),
    "SEHYP": (("QRS",), _plain(conditions.septal_hypertrophy)),
    "LAO/LAE": (("P",), _plain(conditions.left_atrial_enlargement)),
    "RAO/RAE": (("P",), _plain(conditions.right_atrial_enlargement)),
    "LAFB": (("QRS",), _plain(conditions.anterior_fascicular_block)),
    "LPFB": (("QRS",), _plain(conditions.posterior_fascicular_block)),
    "IVCD": (("QRS",), _plain(conditions.unspecific_delay)),
    "IRBBB": (("QRS", "T"), _plain(conditions.right_bundle_branch_block, complete=False)),
    "CRBBB": (("QRS", "T"), _plain(conditions.right_bundle_branch_block, complete=True)),
    "ILBBB": (_ALL, _plain(conditions.left_bundle_branch_block, complete=False)),
    "CLBBB": (_ALL, _plain(conditions.left_bundle_branch_block, complete=True)),
    "1AVB": (("PR",), _plain(conditions.first_degree_av_block)),
    "WPW": (("PR", "QRS", "T"), _plain(conditions.preexcitation)),
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
    "ISC_": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["apical"])),
    "ISCAL": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["anterolateral"])),
    "ISCIN": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["inferior"])),
    "ISCIL": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["inferolateral"])),
    "ISCAS": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["anteroseptal"])),
    "ISCLA": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["lateral"])),
    "ISCAN": (_ST_T, _plain(conditions.ischaemia, region=REGIONS["anterior"])),
    "NDT": (("T",), _plain(conditions.nondiagnostic_t)),
    "NST_": (_ST_T, _plain(conditions.nonspecific_st)),
    "DIG": (_ST_T, _plain(conditions.digitalis)),
    "LNGQT": (("T",), _plain(conditions.long_qt)),
    "EL": (_ST_T, _plain(conditions.electrolytes)),
    "ANEUR": (_ALL, _plain(conditions.aneurysm)),
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


def sample_findings(rng: np.random.Generator, superclasses: Sequence[str], difficulty: float) -> list[Finding]:
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
        severity = sample_severity(rng, difficulty)
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
