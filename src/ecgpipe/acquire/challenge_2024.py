"""The eleven classes of the George B. Moody PhysioNet Challenge 2024, made from PTB-XL and PTB-XL+.

The rules are those of the Challenge's own script (prepare_ptbxl_data.py of physionetchallenges/python-example-2024):

- every statement counts, whatever its likelihood;
- a record is an acute infarction if its cell of statements by the 12SL program (PTB-XL+, Strodthoff et al. 2023,
  doi:10.1038/s41597-023-02153-8) contains the acronym of one of the statements ACUTE_STATEMENTS anywhere;
- any other record with an infarction in PTB-XL, including those that PTB-XL+ lacks, is an old infarction.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.sources import open_source
from ecgpipe.errors import DataError

ACUTE, OLD = "Acute MI", "Old MI"
SUPERCLASS_OF = {"MI": OLD}
"""Superclass -> class, where the names differ."""
OTHERS = {
    "PAC": "PAC", "PVC": "PVC", "AFIB": "AFIB/AFL", "AFLT": "AFIB/AFL", "STACH": "TACHY", "SVTAC": "TACHY",
    "PSVT": "TACHY", "SBRAD": "BRADY",
}  # fmt: skip
"""Form and rhythm statements -> class."""
ACUTE_STATEMENTS = (821, 822, 823, 827, 829, 902, 903, 904, 963, 964, 965, 966, 967, 968)
"""Numbers of the statements of the 12SL program that mean an acute infarction."""
PLUS_STATEMENTS, PLUS_ACRONYMS = "labels/12sl_statements.csv", "labels/mapping/12slv23ToSNOMED.csv"
PLUS_FILES = (PLUS_STATEMENTS, PLUS_ACRONYMS)
"""The files of PTB-XL+ that are read."""
CERTAIN = 100.0


def challenge_groups(statements: pd.DataFrame) -> dict[str, str]:
    """{statement code: class} of PTB-XL's own statements, without acute infarctions.

    Args:
        statements: scp_statements.csv, indexed by code, with the columns diagnostic and diagnostic_class.
    """
    superclasses = statements.loc[statements["diagnostic"] == 1, "diagnostic_class"].dropna()
    groups = {code: SUPERCLASS_OF.get(str(name), str(name)) for code, name in superclasses.items()}
    return groups | {code: name for code, name in OTHERS.items() if code in statements.index} | {ACUTE: ACUTE}


def acute_records(source: Path | str) -> set[int]:
    """The numbers of PTB-XL's records that are acute infarctions.

    Args:
        source: folder or zip archive of PTB-XL+ in PhysioNet's layout.

    Raises:
        DataError: a file is missing, is not a CSV table, or lacks required content.
    """
    acronyms = _read(source, PLUS_ACRONYMS, ["StatementNumber", "Acronym"])
    numbers = pd.to_numeric(acronyms["StatementNumber"], errors="coerce")
    acute = {str(name) for name in acronyms.loc[numbers.isin(ACUTE_STATEMENTS), "Acronym"].dropna()}
    if not acute:
        path = open_source(source).full_name(PLUS_ACRONYMS)
        raise DataError(f"{path}: has none of the statements {', '.join(map(str, ACUTE_STATEMENTS))}; fetch it again")
    table = _read(source, PLUS_STATEMENTS, ["ecg_id", "statements"])
    ids = pd.to_numeric(table["ecg_id"], errors="coerce")
    cells = table["statements"].fillna("").astype(str)
    chosen = ids.notna() & cells.map(lambda cell: any(name in cell for name in acute)).astype(bool)
    return set(ids[chosen].astype(int))


def with_acute(codes: Mapping[str, float], group_of: Mapping[str, str]) -> dict[str, float]:
    """The statements of a record with an acute infarction, which replaces its other infarctions."""
    return {code: value for code, value in codes.items() if group_of.get(code) != OLD} | {ACUTE: CERTAIN}


def mark_acute(records: pd.DataFrame, source: Path | str, group_of: Mapping[str, str]) -> pd.DataFrame:
    """Records with acute infarctions among their statements.

    Args:
        records: table with the columns record_id (PTB-XL's number) and statements ({code: likelihood}, or its JSON).
        source: PTB-XL+, as for ``acute_records``.
        group_of: from ``challenge_groups``.

    Raises:
        DataError: as for ``acute_records``.
    """
    acute = acute_records(source)

    def changed(record_id: str, codes: str | Mapping[str, float]) -> dict[str, float]:
        known = json.loads(codes) if isinstance(codes, str) else dict(codes)
        return with_acute(known, group_of) if int(record_id) in acute else known

    pairs = zip(records["record_id"], records["statements"], strict=True)
    return records.assign(statements=[changed(*pair) for pair in pairs])


def _read(source: Path | str, name: str, columns: list[str]) -> pd.DataFrame:
    files = open_source(source)
    path = files.full_name(name)
    try:
        return pd.read_csv(io.BytesIO(files.read(name)), encoding="utf-8", usecols=columns)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL+?") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a CSV table with {', '.join(columns)} ({error}); fetch it again") from error
