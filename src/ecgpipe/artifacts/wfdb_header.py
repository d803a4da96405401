"""WFDB headers found in practice: encodings, file names and spellings that the WFDB library does not read.

The library decodes a header as ASCII and drops all other characters: µV becomes V, a typographic minus vanishes, and a
data file with an accent in its name is not found. Such a header is translated in a temporary folder. The format is
described in the WFDB Applications Guide, header(5).
"""

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgpipe.lead_names import DASHES

RECORD_SUFFIXES = {".hea", ".dat", ".mat"}
LONGEST_HEADER, LONGEST_SKEW, MOST_SIGNALS, SAMPLES_PER_BYTE = 1 << 20, 1 << 20, 1000, 64
"""Largest plausible values of a header: bytes, skew of a signal in samples, signals, samples per byte of data."""
PLAIN_RECORD, PLAIN_FILE = re.compile(r"[-\w]+(/\d+)?", re.ASCII), re.compile(r"~?[-\w]*\.?\w*", re.ASCII)
MICRO = re.compile("Âµ|Î¼|µ|μ|æ")
"""Micro sign and mu, also as UTF-8 that was read as Latin-1, and as a byte of DOS code page 850."""
GAP = "~"  # a segment, or a data file of a layout header, without samples


def record_path(path: Path) -> Path:
    """The name of a record, given by any of its files: the header, or the data beside it."""
    return path.with_suffix("") if path.suffix.lower() in RECORD_SUFFIXES else path


def find_file(folder: Path, name: str) -> Path | None:
    """A file by its name, or by the name in another case or Unicode form (``X.HEA``; accents on macOS)."""
    with suppress(OSError, ValueError):
        if (folder / name).exists():
            return folder / name
        for other in sorted(os.listdir(folder)):
            if same_name(other, name):
                return folder / other
    return None


def find_header(record: Path) -> Path | None:
    """The header of a record without suffix; None if there is none."""
    found = find_file(record.parent, record.name + ".hea")
    return found if found is not None and found.is_file() else None


def same_name(one: str, other: str) -> bool:
    """Whether two names differ at most in case and Unicode form."""
    one, other = (unicodedata.normalize("NFC", name).casefold() for name in (one, other))
    return one == other


def header_text(content: bytes) -> str:
    """The text of a header in UTF-8 or, if it is not, in Latin-1."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def text_lines(content: bytes) -> list[str]:
    """The lines of a header, with comments. Only line feeds and carriage returns end a line.

    The byte 0x85 does not, although it ends a line of text in Latin-1: it is an à of DOS, or an ellipsis of Windows.
    """
    return re.split("\r\n|\r|\n", header_text(content))


def header_lines(content: bytes) -> list[list[str]]:
    """The words of each line of a header, without comments."""
    lines = [line.split() for line in text_lines(content)]
    return [words for words in lines if words and not words[0].startswith("#")]


def named_files(content: bytes) -> list[str]:
    """The files that a header names: its data files, or the headers of its segments."""
    first, *others = header_lines(content) or [[""]]
    suffix = ".hea" if "/" in first[0] else ""
    return list(dict.fromkeys(words[0] + suffix for words in others if words[0] != GAP))


def segment_names(content: bytes) -> list[str]:
    """The segments that a header names, without suffix; none if it describes signals."""
    first, *others = header_lines(content) or [[""]]
    return [words[0] for words in others if words[0] not in (GAP, ".", "..")] if "/" in first[0] else []


@dataclass(frozen=True)
class Header:
    """A header with plausible sizes; its data files are plain files in its folder, or missing.

    Attributes:
        file: the header.
        lines: words of its lines, without comments: the record line, then one per signal or segment.
        plain: whether the WFDB library reads it as it is.
        files: name in the header -> data file, or where it should be; empty if there are segments.
    """

    file: Path
    lines: list[list[str]]
    plain: bool
    files: dict[str, Path]

    @property
    def segmented(self) -> bool:
        """Whether the record consists of segments, each a record."""
        return "/" in self.lines[0][0]

    @property
    def samples(self) -> int:
        """Stated number of samples; 0 if it is not stated."""
        return _number(self.lines[0], 3)

    @property
    def segments(self) -> list[tuple[str, int]]:
        """Name and number of samples of each segment."""
        return [(words[0], _number(words, 1)) for words in self.lines[1:]]

    @cached_property
    def names(self) -> list[str]:
        """Names of the signals as written; empty where there is none."""
        return [" ".join(words[8:]) for words in self.lines[1:]]

    @property
    def gains(self) -> list[float]:
        """Stated ADC units per unit of each signal; 0 for an uncalibrated one, also if none is stated."""
        return [float(match[0]) if (match := _gain(words)) else 0.0 for words in self.lines[1:]]

    @property
    def units(self) -> list[str]:
        """Unit of each signal in ASCII; mV if none is stated."""
        return [_ascii("".join(words[2:3])).partition("/")[2] or "mV" for words in self.lines[1:]]


def read_header(file: Path) -> Header:
    """Read a header and check its sizes and file names.

    Raises:
        ValueError: why it is refused: a signal file that is not a plain file of the folder, or excessive sizes.
    """
    if file.stat().st_size > LONGEST_HEADER:
        raise ValueError(f"more than {LONGEST_HEADER} bytes, too long for a header")
    content = file.read_bytes()
    lines = header_lines(content) or [[""]]
    signals, samples, segmented = _number(lines[0], 1), _number(lines[0], 3), "/" in lines[0][0]
    if max(signals, len(lines) - 1) > MOST_SIGNALS:
        raise ValueError(f"{max(signals, len(lines) - 1)} {'segments' if segmented else 'signals'}")
    files, size = {}, 0
    for name, *rest in lines[1:]:
        if segmented or name == GAP:
            continue
        try:
            path = file.with_name(name)
            found = find_file(file.parent, name) or path
            special = found.exists() and not found.is_file()
            size += found.stat().st_size if name not in files and found.is_file() else 0
            files[name] = found
        except (ValueError, OSError):  # ".", a name with zeros, one that is too long
            special = True
        if special:
            raise ValueError(f"its signal file {name[:80]!r} is not a plain file in its folder")
        skew = re.search(r":(\d+)", rest[0]) if rest else None
        if skew and int(skew[1][:20]) > LONGEST_SKEW:
            raise ValueError(f"a skew of {skew[1][:20]} samples")
    if not segmented and files:
        check_length(samples, size)
    plain = content.isascii() and file.suffix == ".hea" and PLAIN_RECORD.fullmatch(lines[0][0]) is not None
    plain = plain and all(PLAIN_FILE.fullmatch(name) and found.name == name for name, found in files.items())
    return Header(file, lines, plain and not _spelled_otherwise(lines), files)


def check_length(samples: int, size: int) -> None:
    """Raise ValueError for more samples than files of ``size`` bytes can hold."""
    if samples > max(SAMPLES_PER_BYTE * size, 1 << 20):
        raise ValueError(f"{samples} samples, but its signal files have {size} bytes")


@contextmanager
def readable(header: Header) -> Iterator[tuple[Path, dict[str, Path]]]:
    """The path of a record without segments for the WFDB library, and its names of the data files -> the files."""
    if header.plain:
        yield header.file.with_name(header.file.name[: -len(".hea")]), header.files
        return
    short = {name: f"data{number}" for number, name in enumerate(header.files)}
    with tempfile.TemporaryDirectory(prefix="ecgpipe-") as temporary:
        for name, path in header.files.items():
            if path.is_file():
                _link(path, Path(temporary, short[name]))
        first, *others = header.lines
        lines = ["record " + _ascii(" ".join(first[1:]))]
        for name, *rest in others:
            if len(rest) > 1:
                rest[1] = rest[1].replace("E", "e", 1) if _gain(["", *rest]) else rest[1]
            lines.append(f"{short.get(name, name)} {_ascii(' '.join(rest))}")
        Path(temporary, "record.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        yield Path(temporary, "record"), {short[name]: path for name, path in header.files.items()}


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source.absolute())
    except OSError:  # Windows without the right to link
        shutil.copyfile(source, target)


def _ascii(text: str) -> str:
    """The text in ASCII: µ as u, typographic dashes as -, other characters without accents or as a question mark."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", MICRO.sub("u", text).translate(DASHES))
    return "".join(c for c in text if not unicodedata.combining(c)).encode("ascii", "replace").decode("ascii")


def _gain(words: list[str]) -> re.Match | None:
    return re.match(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", words[2]) if len(words) > 2 else None


def _spelled_otherwise(lines: list[list[str]]) -> bool:
    """Whether a gain has a capital E, which the library does not read."""
    return any((match := _gain(words)) and "E" in match[0] for words in lines[1:])


def _number(words: list[str], index: int) -> int:
    word = words[index] if len(words) > index else ""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else 0
