"""Damaged files: bytes, words and lines of a valid one are changed."""

import random
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


TEXT_CHANGES = ("word", "word", "word", "line", "byte", "cut", "insert")


@st.composite
def damaged(draw, good: bytes, most: int = 6) -> bytes:
    """A valid file with one to ``most`` changes."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(TEXT_CHANGES))
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


def hurt(good: bytes, chance: random.Random, most: int = 6) -> bytes:
    """``damaged`` without Hypothesis, which takes most of the time of a quick reader; sometimes random bytes."""
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(good)
    binary = b"\0" in good
    for _ in range(chance.randint(1, most)):
        kind = chance.choice(("byte", "byte", "byte", "bytes", "cut", "insert", "copy") if binary else TEXT_CHANGES)
        # of a binary file mostly the start, where its structure is
        at = chance.randrange(len(data) + 1) if chance.random() < 0.5 else chance.randrange(min(len(data), 400) + 1)
        if kind == "word":
            words = [match.span() for match in re.finditer(rb"[^\s,;:/()\[\]{}]+", bytes(data))]
            if words:
                start, end = chance.choice(words)
                data[start:end] = chance.choice(WORDS).encode("utf-8", "surrogatepass")
        elif kind == "line":
            lines = bytes(data).splitlines(keepends=True)
            if lines:
                one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
                action = chance.choice(("drop", "twice", "swap"))
                if action == "drop":
                    del lines[one]
                elif action == "twice":
                    lines.insert(other, lines[one])
                else:
                    lines[one], lines[other] = lines[other], lines[one]
                data = bytearray(b"".join(lines))
        elif kind == "byte":
            data[at : at + 1] = bytes([chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))])
        elif kind == "bytes":
            data[at : at + 4] = chance.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", chance.randbytes(4))
            )
        elif kind == "cut":
            del data[at : len(data) if chance.random() < 0.3 else at + chance.randrange(1, 64)]
        elif kind == "insert":
            data[at:at] = chance.randbytes(chance.randrange(1, 12))
        elif kind == "copy":
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randrange(1, 200)]
    return bytes(data)
