"""Names of the files with the results of pages: they never replace an input or the results of another page."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path, PurePath

from PIL import Image

NUMBERED = re.compile(r"(.*), page (\d+)", re.DOTALL)
"""Name of one of several pages of a file."""
OTHERS = r"[^\w.()+-]"
"""Characters that become ``_`` in names of files."""
RECORD_OTHERS = r"[^A-Za-z0-9_-]"
"""Characters that become ``_`` in names of records, since the WFDB library does not allow them."""
LONGEST = 100  # bytes of a stem, without its numbers; file systems allow 255 for the whole name of a temporary file
PICTURES_OF_RESULTS = re.compile(r"(?P<stem>.+)-(page|overlay|mask)\.png")


def page_stem(name: str, others: str = OTHERS) -> str:
    """The file name, without suffix, of a page's results, such as scan-2 for the second page of scan.pdf.

    A hash is added to a name that is cut, or of which only ``_`` would be left.

    Args:
        name: of the page.
        others: characters that become ``_``, a regular expression.
    """
    numbered = NUMBERED.fullmatch(name)
    file, number = numbered.groups() if numbered else (name, "")
    return _plain(PurePath(file).stem, others) + (f"-{number}" if number else "")


def _plain(text: str, others: str) -> str:
    whole = re.sub(others, "_", text).encode("utf-8", "replace")
    cut = whole[:LONGEST].decode("utf-8", "ignore").lstrip(".")
    if len(whole) <= LONGEST and cut.strip("_"):
        return cut
    return f"{cut}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def source_of(name: str) -> str:
    """The absolute path of a page's file, with the page number if the name has one; valid UTF-8."""
    return os.path.abspath(name).encode("utf-8", "backslashreplace").decode()


class ResultNames:
    """Chooses the names of results in a folder.

    Args:
        folder: need not exist.
        ends: of the names of a page's results; that with the first one contains the page's ``source``: JSON or PNG.
        inputs: files that are read, which no result may replace.
        others: as in ``page_stem``.
    """

    def __init__(self, folder: Path, ends: Sequence[str], inputs: Iterable[Path] = (), others: str = OTHERS) -> None:
        self.folder, self.ends, self.others = folder, ends, others
        self._inputs = {os.path.realpath(path) for path in inputs}
        self._taken: set[str] = set()

    def stem(self, name: str, label: str = "") -> str:
        """The stem of a page's results, numbered if others have this name; a page's earlier results may be replaced.

        Args:
            name: of the page.
            label: a class, added to the stem of the page.
        """
        base = page_stem(name, self.others) + (f"-{_plain(label, self.others)}" if label else "")
        for number in count(1):
            stem = base if number == 1 else f"{base}-{number}"
            if stem.lower() not in self._taken and self._is_free(stem, name):  # some systems take A for a
                self._taken.add(stem.lower())
                return stem
        raise AssertionError

    def _is_free(self, stem: str, name: str) -> bool:
        targets = [self.folder / f"{stem}{end}" for end in self.ends]
        if any(os.path.realpath(target) in self._inputs for target in targets):
            return False
        return not any(map(os.path.lexists, targets)) or _stored_source(targets[0]) == source_of(name)


def results_in(folder: Path, names: Iterable[str]) -> set[str]:
    """Those of the files in a folder that are pictures which ``ecgpipe read`` and ``digitize`` wrote."""
    found = set()
    for name in names:
        picture = PICTURES_OF_RESULTS.fullmatch(name)
        if picture and _content(folder / f"{picture['stem']}.json").get("stem") == PurePath(picture["stem"]).name:
            found.add(name)
    return found


def _stored_source(result: Path) -> str | None:
    """The source of the page whose result a file is; None if it is none."""
    if result.suffix == ".png":
        try:
            with Image.open(result) as picture:
                return picture.info.get("source")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
    content = _content(result)
    stored = content.get("source", content.get("name"))
    return source_of(stored) if isinstance(stored, str) else None


def _content(file: Path) -> dict:
    """The content of a JSON file; empty if it is no object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
