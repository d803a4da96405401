"""Text and tables that mean the same in every Markdown viewer (GitHub's and Python-Markdown among them)."""

import re
from collections.abc import Sequence

SPECIAL = re.compile(r"[&\\`*<>\[\]{}|#$~^]|(?<![^\W_])_|_(?![^\W_])")
"""Marks, and underscores at the edge of a word."""
START = re.compile(r"^(\d*)([-+=.)])(?=\s|$)|^()([-=]+)$")
"""What begins a list or underlines a heading."""


def escape(text: object) -> str:
    """Text that stands for itself, also in a table: marks become entities, which no viewer takes for structure."""
    plain = re.sub(r"\s+", " ", str(text)).strip()
    return SPECIAL.sub(lambda found: _entity(found[0]), plain)


def line(text: object) -> str:
    """The same, for the beginning of a line."""
    return START.sub(lambda found: (found[1] or "") + _entity(found[2] or found[4]), escape(text))


def _entity(signs: str) -> str:
    return "".join(f"&#{ord(sign)};" for sign in signs)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> list[str]:
    """Lines of a table, every cell escaped.

    Args:
        head: names of the columns.
        rows: cells; None and "" become a dash.
        words: so many columns stand left, the others right as numbers do.
    """
    cells = [[escape("–" if cell in (None, "") else cell) for cell in row] for row in rows]
    rule = ["---" if number < words else "---:" for number in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in ([escape(name) for name in head], rule, *cells)]
