"""Groupings of PTB-XL's statements into classes, by scp_statements.csv or by a file of one's own."""

import difflib
import io
from pathlib import Path

import pandas as pd

from ecgpipe.acquire.ptbxl_layout import STATEMENTS
from ecgpipe.artifacts.source import open_source
from ecgpipe.config.labels import SUPERCLASSES
from ecgpipe.errors import DataError


def grouping(source: Path | str, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which statements count, and as which class.

    Args:
        source: folder or zip archive with scp_statements.csv.
        name: superclass, subclass, diagnostic, form, rhythm, all, or the path of a CSV file.

    Returns:
        {statement code: class}, and the classes in order: superclasses in the usual one, others as they first occur.

    Raises:
        DataError: a file is missing or is no such table, or names unknown statements.
    """
    table = _read_statements(source)
    if name.endswith(".csv"):
        group_of = _own_grouping(Path(name), set(table.index))
    elif name in ("superclass", "subclass"):
        diagnostic = table[table["diagnostic"] == 1]
        column = diagnostic["diagnostic_class" if name == "superclass" else "diagnostic_subclass"]
        group_of = {code: str(group) for code, group in column.dropna().items()}
    else:
        chosen = table if name == "all" else table[table[name] == 1]
        group_of = {code: code for code in chosen.index}
    classes = SUPERCLASSES if name == "superclass" else tuple(dict.fromkeys(group_of.values()))
    strange = sorted(set(group_of.values()) - set(classes))
    if strange:
        raise DataError(
            f"{open_source(source).where(STATEMENTS)}: {', '.join(strange)}: no superclass of {', '.join(classes)}"
        )
    return group_of, classes


def _read_statements(source: Path | str) -> pd.DataFrame:
    files = open_source(source)
    path = files.where(STATEMENTS)
    try:
        table = pd.read_csv(io.BytesIO(files.read(STATEMENTS)), index_col=0, encoding="utf-8")
        table.index = table.index.astype(str)
        return table[["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL?") from error
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"{path}: not a readable table of statements ({error}); fetch it again") from error


def _own_grouping(path: Path, known: set[str]) -> dict[str, str]:
    """A grouping file: a statement may belong to one class only, a class hold any number of statements."""
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; set labels.grouping to a CSV file, or to superclass") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable CSV table ({error})") from error
    if not {"statement", "class"} <= set(table.columns):
        raise DataError(f"{path}: needs the columns statement and class; it has {', '.join(table.columns)}")
    group_of: dict[str, str] = {}
    for line, (code, name) in enumerate(
        zip(table["statement"].str.strip(), table["class"].str.strip(), strict=True), 2
    ):
        if code not in known:
            close = difflib.get_close_matches(code, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise DataError(f"{path}, line {line}: {code!r} is no statement of {STATEMENTS}{hint}")
        if not name or not name.isprintable():
            raise DataError(f"{path}, line {line}: class {name!r} is empty or holds characters that do not print")
        if group_of.setdefault(code, name) != name:
            raise DataError(f"{path}, line {line}: {code} is in two classes, {group_of[code]} and {name}")
    if not group_of:
        raise DataError(f"{path}: names no statement")
    return group_of
