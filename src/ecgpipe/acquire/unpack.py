"""Zip archives unpacked where nothing can escape the target, and nothing can fill the disk unforeseen."""

import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ecgpipe.artifacts.atomic import atomic_folder
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

CHUNK = 1 << 20
LARGEST_UNPACKED = 40 << 30
MOST_FILES = 500_000
ENCRYPTED = 0x1


def unpack_zip(archive: Path | str, target: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack a zip archive into a new folder; if all of it lies in one folder, that folder's content.

    Args:
        archive: the zip file.
        target: the folder, which appears when all is there.
        wanted: which files, by their names in the target.

    Raises:
        DataError: not a zip file, broken, or encrypted; or it holds links, paths that leave the target, two files of
            one name, more than LARGEST_UNPACKED bytes or MOST_FILES files; or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = _names(archive, [entry for entry in file.infolist() if not entry.is_dir()])
            names = {entry: name for entry, name in names.items() if wanted(str(name))}
            if not names:
                raise DataError(f"{archive}: holds no file that is asked for; is it the right archive?")
            with atomic_folder(target) as partial:
                for entry, name in progress(names.items(), f"unpack {Path(archive).name}", len(names), "files"):
                    path = partial / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # zipfile reads no more than the entry's declared size, and checks its CRC
                    with file.open(entry) as source, open(path, "wb") as copy:
                        shutil.copyfileobj(source, copy, CHUNK)
    except OSError as error:  # the disk, not the archive
        raise DataError(f"{archive}: cannot be unpacked to {target} ({error}); see to space and rights") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error


def _names(archive: Path | str, entries: list[zipfile.ZipInfo]) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """Where each entry goes, if all of them may."""
    if len(entries) > MOST_FILES:
        raise DataError(f"{archive}: holds {len(entries)} files, more than {MOST_FILES}; not unpacked")
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise DataError(f"{archive}: would unpack to more than {LARGEST_UNPACKED >> 30} GiB; not unpacked")
    names = {entry: _inside(entry, archive) for entry in entries}
    tops = {name.parts[0] for name in names.values()}
    if len(tops) == 1 and all(len(name.parts) > 1 for name in names.values()):
        names = {entry: PurePosixPath(*name.parts[1:]) for entry, name in names.items()}
    seen: dict[str, str] = {}
    for entry, name in names.items():
        other = seen.setdefault(str(name).casefold(), entry.filename)
        if other is not entry.filename:
            raise DataError(f"{archive}: its entries {other!r} and {entry.filename!r} have one name; not unpacked")
    return names


def _inside(entry: zipfile.ZipInfo, archive: Path | str) -> PurePosixPath:
    """The entry's path, if it is a plain file's and stays inside the target."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in entry.filename:
        raise DataError(f"{archive}: its entry {entry.filename!r} leaves the target folder; not unpacked")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "no plain file"
        raise DataError(f"{archive}: its entry {entry.filename!r} is {what}; not unpacked")
    if entry.flag_bits & ENCRYPTED:
        raise DataError(f"{archive}: its entry {entry.filename!r} is encrypted; unpack it by hand and set `source`")
    return path
