"""What a zip archive may hold, before anything of it is unpacked or read in place."""

import stat
import zipfile
from pathlib import Path, PurePosixPath

from ecgpipe.errors import DataError

LARGEST_UNPACKED = 40 << 30
MOST_FILES = 500_000
ENCRYPTED = 0x1
OF_MACOS = "__MACOSX"


def archive_files(archive: Path | str, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Name -> entry of all files; if all of them lie in one folder, by their names in it.

    What macOS adds to archives (``__MACOSX``) does not count.

    Args:
        archive: its path, for messages.
        file: the opened archive; only its directory is looked at.

    Raises:
        DataError: it holds links, encrypted files, paths that leave the folder, two files of one name, more than
            LARGEST_UNPACKED bytes or more than MOST_FILES files.
    """
    entries = [entry for entry in file.infolist() if not entry.is_dir()]
    if len(entries) > MOST_FILES:
        raise DataError(f"{archive}: holds {len(entries)} files, more than {MOST_FILES}; not used")
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise DataError(f"{archive}: would unpack to more than {LARGEST_UNPACKED >> 30} GiB; not used")
    paths = [(entry, _inside(entry, archive)) for entry in entries]
    paths = [(entry, path) for entry, path in paths if path.parts[0] != OF_MACOS]
    if len({path.parts[0] for _, path in paths}) == 1 and all(len(path.parts) > 1 for _, path in paths):
        paths = [(entry, PurePosixPath(*path.parts[1:])) for entry, path in paths]
    seen: dict[str, str] = {}
    for entry, path in paths:
        other = seen.setdefault(str(path).casefold(), entry.filename)
        if other is not entry.filename:
            raise DataError(f"{archive}: its entries {other!r} and {entry.filename!r} have one name; not used")
    return {str(path): entry for entry, path in paths}


def _inside(entry: zipfile.ZipInfo, archive: Path | str) -> PurePosixPath:
    """The entry's path, if it is a plain file's and stays inside the archive's folder."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in entry.filename:
        raise DataError(f"{archive}: its entry {entry.filename!r} leaves the target folder; not used")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "no plain file"
        raise DataError(f"{archive}: its entry {entry.filename!r} is {what}; not used")
    if entry.flag_bits & ENCRYPTED:
        raise DataError(f"{archive}: its entry {entry.filename!r} is encrypted; unpack it by hand and set `source`")
    return path
