"""The SCP-ECG statements that the simulator makes, as rows of PTB-XL's ``scp_statements.csv``."""

import csv
import io
from dataclasses import dataclass

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
