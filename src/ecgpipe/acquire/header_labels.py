"""Labels in WFDB headers, as in the PhysioNet/CinC Challenges 2020 and 2021, and the classes of their SNOMED CT codes.

A header ends with comments such as ``# Age: 74``, ``# Sex: Male`` and ``# Dx: 59118001,426783006`` (Perez Alday et al.
2020, doi:10.1088/1361-6579/abc960). The package's table of codes is ``challenge_codes.csv``; docs/public-datasets.md
says where its classes come from.
"""

import json
import logging
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgpipe.acquire.own_table import SEX, class_names, new_row, read_table
from ecgpipe.artifacts.sources import Source, open_source
from ecgpipe.artifacts.wfdb_header import LONGEST_HEADER, text_lines
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.progress import progress

logger = logging.getLogger(__name__)

CODE_TABLE = Path(__file__).with_name("challenge_codes.csv")
COMMENT = re.compile(r"\s*#\s*(age|sex|dx)\s*:(.*)", re.IGNORECASE)
UNKNOWN = {"", "unknown", "nan", "n/a", "none"}


def from_headers(present: Mapping[str, list[str]], config: OwnConfig, key: str) -> tuple[list[dict], list[RecordError]]:
    """Records whose headers state a diagnosis, and the problems of the others.

    Raises:
        DataError: no header states one.
    """
    source, rows, problems = open_source(config.source), [], []
    for record in progress(sorted(present), "headers", len(present)):
        header = next(name for name in present[record] if name.lower().endswith(".hea"))
        try:
            comments = _read_comments(source, header)
            row = new_row(record, record, dict.fromkeys(_codes(comments["dx"]), 100.0))
        except (OSError, DataError, ValueError) as error:
            problems.append(RecordError(record, source.full_name(header), "no-diagnosis", str(error)))
            continue
        row["age"] = _age(comments["age"])
        row["sex"] = SEX.get(" ".join(comments["sex"]).lower())
        rows.append(row)
    if not rows:
        raise DataError(
            f"{config.source}: none of its {len(present)} headers states a diagnosis (# Dx: ...; the first: "
            f"{problems[0].detail}); set {key}.labels to a CSV table"
        )
    return rows, problems


def _read_comments(source: Source, header: str) -> dict[str, list[str]]:
    """age, sex or dx -> the values of these comments, without those that say "unknown"."""
    size = int(source.change_key(header).split()[0])
    if size > LONGEST_HEADER:
        raise ValueError(f"{size} bytes, too long for a header")
    found: dict[str, list[str]] = defaultdict(list)
    for line in text_lines(source.read(header)):
        if match := COMMENT.fullmatch(line):
            name, value = match[1].lower(), match[2].strip()
            found[name] += [value] if value.lower() not in UNKNOWN else []
    if "dx" not in found:
        raise ValueError("its header has no line # Dx: ...")
    return found


def _codes(values: Iterable[str]) -> list[str]:
    codes = [code.strip() for value in values for code in value.split(",")]
    codes = [code for code in codes if code.lower() not in UNKNOWN]
    if not codes:
        raise ValueError("the line # Dx: ... of its header states no code")
    if unprintable := [code for code in codes if not code.isprintable()]:
        raise ValueError(f"the line # Dx: ... of its header contains {unprintable[0]!r}")
    return codes


def _age(values: list[str]) -> float | None:
    """Years; None unless it is a number from 0."""
    age = pd.to_numeric(values[0], errors="coerce") if values else math.nan
    return float(age) if 0 <= age < 1000 else None


@dataclass(frozen=True)
class Code:
    """A code of a header.

    Attributes:
        name: readable name.
        classes: its classes; empty if it has none, such as a rhythm.
        alone: classes of a record that has no other code.
    """

    name: str
    classes: tuple[str, ...]
    alone: tuple[str, ...]


def read_code_table(path: Path | str | None = None, key: str = "code_table") -> dict[str, Code]:
    """Code -> its name and classes.

    Args:
        path: CSV table with the columns ``code`` and ``classes`` and, optionally, ``abbreviation``, ``name`` and
            ``alone``; several classes in a cell are separated by ``;``. None: the package's table.
        key: the configuration key that names the file, for messages.

    Raises:
        DataError: the file is missing, lacks a column, or has an empty code, a code twice or an invalid class.
    """
    where, table = read_table(str(path or CODE_TABLE), ("code", "classes"), key)
    codes: dict[str, Code] = {}
    for line, cells in table:
        code = cells["code"]
        if not code or code in codes:
            raise DataError(f"{where}, line {line}: {f'code {code} occurs twice' if code else 'no code'}; correct it")
        name = " ".join(filter(None, (cells.get("abbreviation"), cells.get("name"))))
        classes, alone = (_classes(cells.get(column, ""), f"{where}, line {line}") for column in ("classes", "alone"))
        codes[code] = Code(name, classes, alone)
    return codes


def _classes(cell: str, where: str) -> tuple[str, ...]:
    names = filter(None, (name.strip() for name in cell.split(";")))
    return tuple(dict.fromkeys(class_names(names, where)))


@dataclass(frozen=True)
class CodeCounts:
    """Records with a code, {code with its name: records}, the most frequent first.

    Attributes:
        classes: codes of a class.
        without_class: codes that the table lists without a class that counts here.
        unlisted: codes that the table does not list.
    """

    classes: dict[str, int]
    without_class: dict[str, int]
    unlisted: dict[str, int]

    def as_dict(self) -> dict[str, dict[str, int]]:
        """The counts for JSON."""
        return {"classes": self.classes, "without_class": self.without_class, "unlisted": self.unlisted}

    def as_table(self) -> pd.DataFrame:
        """Rows of (what, name, records)."""
        parts = {"code": self.classes, "code without class": self.without_class, "code not in the table": self.unlisted}
        rows = [(what, name, count) for what, counts in parts.items() for name, count in counts.items()]
        return pd.DataFrame(rows, columns=["what", "name", "records"])


def classes_of_codes(records: pd.DataFrame, table: Mapping[str, Code]) -> tuple[pd.DataFrame, CodeCounts]:
    """Records whose statements are classes instead of codes.

    A code's classes always count; ``alone`` counts for a record without other codes.

    Args:
        records: table with the column statements, JSON of {code: 100}.
        table: the classes of the codes.
    """
    counts: Counter[str] = Counter()
    statements = []
    for text in records["statements"]:
        codes = list(json.loads(text))
        counts.update(codes)
        found = [name for code in codes if code in table for name in table[code].classes]
        if len(codes) == 1 and codes[0] in table:
            found += table[codes[0]].alone
        statements.append(json.dumps(dict.fromkeys(found, 100.0)))
    parts: tuple[dict[str, int], ...] = ({}, {}, {})
    for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        listed = table.get(code)
        part = 2 if listed is None else 0 if listed.classes or listed.alone else 1
        parts[part][f"{code} {listed.name}".strip() if listed else code] = count
    unlisted = parts[2]
    if unlisted:
        logger.warning(
            "codes of the headers that the table of codes does not list, and that do not count: %s",
            ", ".join(f"{code} ({count} records)" for code, count in unlisted.items()),
        )
    return records.assign(statements=statements), CodeCounts(*parts)


def code_classes(records: pd.DataFrame, table: Mapping[str, Code]) -> tuple[str, ...]:
    """The classes that occur: superclasses in their usual order, others in the order of the table.

    Args:
        records: table with the column statements, JSON of {class: 100}.
        table: the classes of the codes.
    """
    present = {name for text in records["statements"] for name in json.loads(text)}
    order = dict.fromkeys([*SUPERCLASSES, *(name for code in table.values() for name in (*code.classes, *code.alone))])
    return tuple(name for name in order if name in present)
