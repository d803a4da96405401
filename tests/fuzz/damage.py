"""Damaged files: bytes, words and lines of a valid one are changed."""

import random
import re
import sys

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
BINARY_CHANGES = ("byte", "byte", "byte", "bytes", "cut", "insert", "copy")
BYTES = (0, 1, 127, 128, 255)
FOUR_BYTES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")
NEAR = 400
"""The structure of a file is mostly in its first bytes."""


def damaged(good: bytes, chance: random.Random, most: int = 6) -> bytes:
    """A valid file with one to ``most`` changes; rarely random bytes."""
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(good)
    for _ in range(chance.randint(1, most)):
        kind = chance.choice(BINARY_CHANGES if b"\0" in good else TEXT_CHANGES)
        at = chance.randrange(len(data) + 1) if chance.random() < 0.5 else chance.randrange(min(len(data), NEAR) + 1)
        if kind == "word":
            _change_word(data, chance)
        elif kind == "line":
            _change_line(data, chance)
        elif kind == "byte":
            data[at : at + 1] = bytes([chance.choice((*BYTES, chance.randrange(256)))])
        elif kind == "bytes":
            data[at : at + 4] = chance.choice((*FOUR_BYTES, chance.randbytes(4)))
        elif kind == "cut":
            del data[at : len(data) if chance.random() < 0.3 else at + chance.randrange(1, 64)]
        elif kind == "insert":
            data[at:at] = chance.randbytes(chance.randrange(1, 12))
        elif kind == "copy":
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randrange(1, 200)]
    return bytes(data)


def _change_word(data: bytearray, chance: random.Random) -> None:
    """Replace a word by one of ``WORDS`` or by any characters."""
    places = [match.span() for match in re.finditer(rb"[^\s,;:/()\[\]{}]+", bytes(data))]
    if places:
        start, end = chance.choice(places)
        other = "".join(chr(chance.randrange(sys.maxunicode + 1)) for _ in range(chance.randrange(1, 9)))
        word = chance.choice(WORDS) if chance.random() < 0.75 else other
        data[start:end] = word.encode("utf-8", "surrogatepass")


def _change_line(data: bytearray, chance: random.Random) -> None:
    """Drop, repeat or swap lines."""
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
        data[:] = b"".join(lines)
