"""Colour where a person looks at a terminal, and nowhere else."""

import os
from typing import TextIO

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def coloured(stream: TextIO | None) -> bool:
    """Whether to colour what goes to a stream: not in files and pipes, nor where NO_COLOR is set (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and not stream.closed and stream.isatty()


def paint(text: str, style: str, stream: TextIO | None) -> str:
    """The text in a style of ``STYLES``, if the stream is to be coloured."""
    return f"\033[{STYLES[style]}m{text}\033[0m" if coloured(stream) else text
