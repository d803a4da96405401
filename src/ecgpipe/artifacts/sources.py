"""The raw files of a dataset: in a folder, or in a zip archive that is read in place.

Names are relative to the folder, with slashes. The directory of an archive is checked when it is opened. A WFDB record
of an archive is copied to a temporary folder while it is read, since WFDB opens files by name. Nothing else is
unpacked. The files of an archive have checksums; those of a folder may be listed in its SHA256SUMS.txt, as PhysioNet's
datasets do. They are compared whenever a file is read, since a file may change at any time.
"""

import bisect
import hashlib
import lzma
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol

from ecgpipe.artifacts.files import MADE_BY_A_RULE, SUMS, file_sha256, read_sums
from ecgpipe.artifacts.suffixes import is_image
from ecgpipe.artifacts.wfdb_header import LONGEST_HEADER, named_files, same_name, segment_names
from ecgpipe.errors import DataError, RecordError, SourceError, one_line

LARGEST_UNPACKED = 40 << 30
MOST_FILES = 500_000
LARGEST_FILE = 1 << 28  # bytes of one unpacked file of an archive: larger ones are not read into memory
ENCRYPTED = 0x1
MACOS_FOLDER = "__MACOSX"
DRIVE = re.compile("[A-Za-z]:")
"""Start of a path on another drive of Windows. Elsewhere, names may have a colon, as in ``2024-01-01 12:30.png``."""
SYSTEM_FOLDERS = {"lost+found", "System Volume Information"}
"""Folders at the top of a disk that only the system may read."""


def check_names(names: Iterable[str], source: Path | str) -> None:
    """Raise DataError for a file name that is not valid UTF-8: it cannot be written to tables."""
    for name in names:
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"{source}: the name of its file {name!r} is not valid UTF-8; rename the file")


def archive_files(archive: Path | str, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Name -> entry of all files in an archive; if all are in one folder, names are relative to it.

    Files that macOS adds (``__MACOSX``) are ignored.

    Args:
        archive: its path, for messages.
        file: the opened archive; only its directory is read.

    Raises:
        DataError: it contains links, encrypted files, paths outside its folder, two files with one name, more than
            LARGEST_UNPACKED bytes or more than MOST_FILES files.
    """
    entries = [entry for entry in file.infolist() if not entry.filename.endswith("/")]
    if len(entries) > MOST_FILES:
        raise DataError(f"{archive}: contains {len(entries)} files, more than {MOST_FILES}; not used")
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise DataError(f"{archive}: would unpack to more than {LARGEST_UNPACKED >> 30} GiB; not used")
    paths = [(entry, _checked_path(entry, archive)) for entry in entries]
    paths = [(entry, path) for entry, path in paths if path.parts[0] != MACOS_FOLDER]
    if len({path.parts[0] for _, path in paths}) == 1 and all(len(path.parts) > 1 for _, path in paths):
        paths = [(entry, PurePosixPath(*path.parts[1:])) for entry, path in paths]
    seen: dict[str, str] = {}
    for entry, path in paths:
        other = seen.setdefault(str(path).casefold(), entry.filename)
        if other is not entry.filename:
            raise DataError(f"{archive}: its entries {other!r} and {entry.filename!r} have the same name; not used")
    return {str(path): entry for entry, path in paths}


def _checked_path(entry: zipfile.ZipInfo, archive: Path | str) -> PurePosixPath:
    """The path of an entry; DataError unless it is a plain, unencrypted file inside the archive's folder."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or DRIVE.match(str(path)) or "\0" in entry.filename:
        raise DataError(f"{archive}: its entry {entry.filename!r} leaves the target folder; not used")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        description = "a link" if kind == stat.S_IFLNK else "not a plain file"
        raise DataError(f"{archive}: its entry {entry.filename!r} is {description}; not used")
    if entry.flag_bits & ENCRYPTED:
        raise DataError(f"{archive}: its entry {entry.filename!r} is encrypted; unpack it by hand and set `source`")
    return path


def segments_of(source: "Source", headers: Iterable[str]) -> set[str]:
    """The records, without suffix, that other headers name as their segments; none for headers that cannot be read."""
    found = set()
    for header in headers:
        try:
            size = int(source.change_key(header).split()[0])
            named = segment_names(source.read(header)) if size <= LONGEST_HEADER else []
        except (OSError, DataError):
            continue
        place = PurePosixPath(header)
        own = place.name[: -len(".hea")]
        found |= {str(place.with_name(name)) for name in named if name == PurePosixPath(name).name != own}
    return found


class Source(Protocol):
    """A folder or archive of raw files."""

    def names(self, below: str = "") -> list[str]:
        """All files below a folder, sorted, without hidden ones; empty if there is no such folder.

        Raises:
            DataError: a folder may not be read.
        """

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file."""

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: no such file.
            OSError: it cannot be read.
            DataError: it is damaged; in an archive: or too large.
            SourceError: it is damaged or missing, and the workflow made the folder.
        """

    def check(self, name: str) -> None:
        """Compare a file of a folder with the folder's SHA256SUMS.txt, if that lists it.

        Raises:
            DataError: they differ, or the list is not readable.
            SourceError: they differ or the file is missing, and the workflow made the folder.
        """

    def check_record(self, name: str) -> None:
        """``check`` the files of a WFDB record, named without suffix."""

    def change_key(self, name: str) -> str:
        """A text that changes when the file does."""

    def full_name(self, name: str) -> str:
        """The full name of a file, for messages."""

    def record(self, name: str) -> AbstractContextManager[Path]:
        """The path of a WFDB record, without suffix, valid within the block."""


def open_source(path: Path | str) -> Source:
    """The raw files in a folder or a zip archive.

    Raises:
        DataError: no such folder or archive, or the archive is refused (``archive_files``).
    """
    path = Path(path)
    if path.is_dir():
        return Folder(path)
    try:
        changes = path.stat()
    except OSError as error:
        raise DataError(f"{path}: no such folder or zip archive; give the path of the dataset") from error
    return _open_archive(path, changes.st_size, changes.st_mtime_ns, os.getpid())


def read_image_file(source: Source, path: str, record_id: str) -> bytes:
    """The content of a record's image.

    Raises:
        RecordError: it cannot be read, or is damaged.
        SourceError: as ``Source.read``.
    """
    try:
        return source.read(path)
    except OSError as error:
        raise RecordError(record_id, source.full_name(path), "missing-file", f"cannot be read ({error})") from error
    except DataError as error:
        detail = str(error).removeprefix(f"{source.full_name(path)}: ")
        raise RecordError(record_id, source.full_name(path), "checksum", detail) from error


@lru_cache(maxsize=4)
def _open_archive(path: Path, size: int, changed: int, process: int) -> "Archive":
    """An archive, opened once per process: a forked process would share the position in the file."""
    return Archive(path)


@lru_cache(maxsize=4)
def _listed(sums: Path, size: int, changed: int) -> dict[str, str] | str:
    """``read_sums``, once per process and version of the file; its message for a damaged list."""
    try:
        return read_sums(sums)
    except DataError as error:
        return str(error)


def _refuse(error: OSError) -> None:
    """Raise DataError for a folder that cannot be listed, whose files would seem not to exist."""
    denied = isinstance(error, PermissionError)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return
    if not denied or os.path.basename(error.filename) not in SYSTEM_FOLDERS:
        check = "permissions" if denied else "disk or network drive"
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); check its {check}") from error


class Folder:
    """Files in a folder."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def names(self, below: str = "") -> list[str]:
        """See Source."""
        found, seen, waiting = [], set(), [os.path.join(self.top, below)]
        while waiting:
            for folder, folders, files in os.walk(waiting.pop(0), onerror=_refuse):
                real = os.path.realpath(folder)
                if real in seen:  # a link to a folder that has its own name here
                    folders.clear()
                    continue
                seen.add(real)
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                paths = (os.path.join(folder, name) for name in folders)
                waiting += [path for path in paths if os.path.islink(path)]  # followed after all real folders
                start = Path(folder).relative_to(self.top).as_posix()
                start = "" if start == "." else f"{start}/"
                found += [start + name for name in files if not name.startswith(".")]
        return sorted(found)

    def __contains__(self, name: str) -> bool:
        return (self.top / name).is_file()

    def read(self, name: str) -> bytes:
        """See Source."""
        try:
            content = (self.top / name).read_bytes()
        except FileNotFoundError:
            self.check(name)
            raise
        listed = self._sums.get(name) if is_image(name) or self._made else None  # users may edit their tables
        if listed is not None and hashlib.sha256(content).hexdigest() != listed:
            raise self._damaged(name)
        return content

    def check(self, name: str) -> None:
        """See Source."""
        if name not in self._sums:
            return
        try:
            if file_sha256(self.top / name) != self._sums[name]:
                raise self._damaged(name)
        except FileNotFoundError:
            if self._made:  # else: a copy may be incomplete
                raise self._damaged(name) from None

    def check_record(self, name: str) -> None:
        """See Source."""
        folder, names = PurePosixPath(name).parent, [f"{name}.hea", f"{name}.dat"]
        for file in names:  # grows by the files that listed headers name
            header = file.endswith(".hea")
            if self._made or not header:  # users may correct headers
                self.check(file)
            if header and file in self._sums and file in self:
                named = (str(folder / other) for other in named_files((self.top / file).read_bytes()))
                names += [other for other in named if other in self._sums and other not in names]

    @property
    def _sums(self) -> dict[str, str]:
        """Name -> SHA-256 of the files that the folder's list names."""
        try:
            stat = (self.top / SUMS).stat()
        except OSError:
            return {}
        listed = _listed(self.top / SUMS, stat.st_size, stat.st_mtime_ns)
        if isinstance(listed, str):
            raise DataError(listed)
        return listed

    @property
    def _made(self) -> bool:
        return (self.top / MADE_BY_A_RULE).exists()

    def _damaged(self, name: str) -> DataError | SourceError:
        where = self.full_name(name)
        if self._made:
            wrong = "damaged, it differs from" if name in self else "missing, but listed in"
            return SourceError(f"{where}: {wrong} {SUMS}; delete the folder {self.top} and run again")
        return DataError(
            f"{where}: differs from the folder's {SUMS}; fetch the file again; if it is right, delete its line there"
        )

    def change_key(self, name: str) -> str:
        """See Source: size, modification time and listed SHA-256, since users may delete its line in the list."""
        try:
            changes = (self.top / name).stat()
        except FileNotFoundError:
            return "0 missing"  # a link to nothing
        listed = ""
        with suppress(DataError):  # of a damaged list, which ``check`` reports
            listed = self._sums.get(name, "")
        return f"{changes.st_size} {changes.st_mtime_ns} {listed}".rstrip()

    def full_name(self, name: str) -> str:
        """See Source."""
        return str(self.top / name)

    @contextmanager
    def record(self, name: str) -> Iterator[Path]:
        """See Source."""
        yield self.top / name


class Archive:
    """Files in a zip archive, read in place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
            self.entries = archive_files(path, self.file)
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(
                f"{path}: not a readable zip archive ({one_line(error)}); fetch it again, or give a folder"
            ) from error

    @cached_property
    def _sorted(self) -> list[str]:
        hidden = re.compile(r"(^|/)\.")
        return sorted(name for name in self.entries if not hidden.search(name))

    def names(self, below: str = "") -> list[str]:
        """See Source."""
        start = f"{below.rstrip('/')}/" if below else ""
        first = bisect.bisect_left(self._sorted, start)
        last = bisect.bisect_left(self._sorted, start[:-1] + "0") if start else len(self._sorted)  # "0" follows "/"
        return self._sorted[first:last]

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str) -> bytes:
        """See Source."""
        entry = self._entry(name)
        if entry.file_size > LARGEST_FILE:
            raise DataError(
                f"{self.full_name(name)}: {entry.file_size} bytes; unpack the archive by hand and set `source`"
            )
        try:
            return self.file.read(entry)  # at most the declared size; zipfile checks the CRC
        except (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
            raise DataError(f"{self.full_name(name)}: damaged ({error}); fetch the archive again") from error

    def check(self, name: str) -> None:
        """See Source: ``read`` compares the CRC."""

    def check_record(self, name: str) -> None:
        """See Source."""

    def change_key(self, name: str) -> str:
        """See Source: size and CRC."""
        entry = self._entry(name)
        return f"{entry.file_size} {entry.CRC:08x}"

    def full_name(self, name: str) -> str:
        """See Source."""
        return f"{self.path}/{name}"

    @contextmanager
    def record(self, name: str) -> Iterator[Path]:
        """See Source: a copy of the header and of the files that it names."""
        folder, file = PurePosixPath(name).parent, PurePosixPath(name).name
        with tempfile.TemporaryDirectory(prefix="ecgpipe-") as temporary:
            for named in self._copy(folder, f"{file}.hea", temporary):
                for part in self._copy(folder, named, temporary):  # of a segment
                    self._copy(folder, part, temporary)
            yield Path(temporary, file)

    def _copy(self, folder: PurePosixPath, name: str, target: str) -> list[str]:
        """Copy a file of a record if it is there; the names of plain files that it names, if it is a header."""
        found = str(folder / name)
        if found not in self:
            below = "" if str(folder) == "." else str(folder)
            same = [other for other in self.names(below) if same_name(other, found)]
            if not same:
                return []
            found = same[0]
        content = self.read(found)
        Path(target, name).write_bytes(content)
        names = named_files(content) if name.lower().endswith(".hea") else []
        return [
            name for name in names if name == PurePosixPath(name).name and name not in ("..", ".") and "\0" not in name
        ]

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self.entries:
            raise FileNotFoundError(2, "no such file in the archive", self.full_name(name))
        return self.entries[name]
