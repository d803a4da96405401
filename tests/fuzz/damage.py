"""Damaged files: Hypothesis changes bytes, words and lines of a valid one."""

import re

from hypothesis import strategies as st

WORDS = (
    "",
    "0",
    "-1",
    "1.5",
    "1e309",
    "-inf",
    "nan",
    "NaN",
    "99999999999999999999",
    "4294967296",
    "2147483647",
    "1/0",
    "0x10",
    "12(34)/mV",
    "16x2",
    "16:5+99",
    "~",
    "../../etc/passwd",
    "/dev/zero",
    "C:\\x",
    "a" * 300,
    "NUL",
    "\x00",
    "\ufeff",
    "é" * 40,
    "'",
    '"',
    '"""',
    ",",
    ";",
    "\t",
    "\r",
    "{}",
    "[]",
    "{",
    "[" * 200,
    "{'NORM': 100.0}",
    "{'a': {'b': 1}}",
    "{1: 'x'}",
    "{'NORM'}",
    "{'NORM': 1e400}",
    "{'NORM': float('nan')}",
    "__import__('os').system('touch owned')",
    "=cmd|' /C calc'!A0",
    "<script>x</script>",
    "!!python/object/apply:os.system [touch owned]",
    "!!python/name:os.system",
    "&a [*a]",
    "*a",
    "<<: 1",
    "null",
    "true",
    "2001-01-01",
    "? a",
    "- a",
    "- " * 50,
    "%s%n",
    "${x}",
    "\u202e",
    "\ud7ff",
)


@st.composite
def damaged(draw, good: bytes, most: int = 6) -> bytes:
    """A valid file with one to ``most`` changes."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(("word", "word", "word", "line", "byte", "cut", "insert")))
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        if kind == "word":
            words = [match.span() for match in re.finditer(rb"[^\s,;:/()\[\]{}]+", bytes(data))]
            if words:
                start, end = words[draw(st.integers(0, len(words) - 1))]
                data[start:end] = draw(st.sampled_from(WORDS) | st.text(max_size=8)).encode("utf-8", "surrogatepass")
        elif kind == "line":
            lines = bytes(data).splitlines(keepends=True)
            if lines:
                one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                action = draw(st.sampled_from(("drop", "twice", "swap")))
                if action == "drop":
                    del lines[one]
                elif action == "twice":
                    lines.insert(other, lines[one])
                else:
                    lines[one], lines[other] = lines[other], lines[one]
                data = bytearray(b"".join(lines))
        elif kind == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=12))
    return bytes(data)


def any_file(good: bytes) -> st.SearchStrategy[bytes]:
    """Mostly a damaged valid file, sometimes random bytes."""
    return st.one_of(damaged(good), damaged(good), damaged(good, most=1), st.binary(max_size=200))
