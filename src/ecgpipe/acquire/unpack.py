"""Zip archives unpacked where nothing can escape the target, and nothing can fill the disk unforeseen."""

import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ecgpipe.artifacts.archive import archive_files
from ecgpipe.artifacts.atomic import atomic_folder
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

CHUNK = 1 << 20


def unpack_zip(archive: Path | str, target: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack a zip archive into a new folder; if all of it lies in one folder, that folder's content.

    Args:
        archive: the zip file.
        target: the folder, which appears when all is there.
        wanted: which files, by their names in the target.

    Raises:
        DataError: not a zip file, broken, or not one that may be unpacked (``archive_files``); or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = {name: entry for name, entry in archive_files(archive, file).items() if wanted(name)}
            if not names:
                raise DataError(f"{archive}: holds no file that is asked for; is it the right archive?")
            with atomic_folder(target) as partial:
                for name, entry in progress(names.items(), f"unpack {Path(archive).name}", len(names), "files"):
                    path = partial / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # zipfile reads no more than the entry's declared size, and checks its CRC
                    with file.open(entry) as source, open(path, "wb") as copy:
                        shutil.copyfileobj(source, copy, CHUNK)
    except OSError as error:  # the disk, not the archive
        raise DataError(f"{archive}: cannot be unpacked to {target} ({error}); see to space and rights") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error
