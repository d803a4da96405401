"""`ecgpipe check`: compare every file below a folder with its checksum (artifacts/files.py)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecgpipe.artifacts.files import (
    CHECKSUM_FOLDER,
    SUMS,
    damage_message,
    file_sha256,
    read_checksum,
    read_sums,
    sums_remedy,
)
from ecgpipe.errors import DataError
from ecgpipe.progress import progress


@dataclass(frozen=True)
class Damage:
    """A file that is missing, cannot be read or differs from its checksum.

    Attributes:
        file: its path.
        message: what is wrong, and the remedy; one line.
        delete: what to delete; None if deleting does not help.
    """

    file: Path
    message: str
    delete: Path | None


@dataclass
class Checked:
    """The files of a folder.

    Attributes:
        whole: number of files that match their checksums.
        without: number of files without a checksum.
        damaged: files that are damaged or missing.
    """

    whole: int = 0
    without: int = 0
    damaged: list[Damage] = field(default_factory=list)


def check_folder(folder: Path) -> Checked:
    """Compare every file below a folder with its checksum; shows progress. Hidden files are skipped.

    Raises:
        DataError: no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of results")
    result = Checked()
    listed: dict[Path, tuple[Path, str]] = {}  # from lists of whole folders: file -> list and checksum
    for parent in folder.absolute().parents:
        _read_list(parent, listed, Checked())
    files = []
    for current, names in _walk(folder):
        _read_list(current, listed, result)
        result.damaged += _missing(current)
        files += [current / name for name in sorted(names)]
    for path in progress(files, f"check {folder.name}", unit="files"):
        try:
            expected = listed.get(path.absolute()) or read_checksum(path)
            if expected is None:
                result.without += 1
            elif file_sha256(path) == expected[1]:
                result.whole += 1
            elif path.absolute() not in listed and read_checksum(path) != expected:
                result.without += 1  # a running workflow has replaced it
            else:
                sums = expected[0]
                delete = sums_remedy(sums)[1] if sums.name == SUMS else path
                result.damaged.append(Damage(path, damage_message(path, sums), delete))
        except FileNotFoundError:
            continue  # a running workflow has replaced or deleted it
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); check the permissions of the file and its folder"
            result.damaged.append(Damage(path, message, None))
        except DataError:
            result.without += 1  # a damaged list, reported above
    return result


def _read_list(folder: Path, listed: dict[Path, tuple[Path, str]], result: Checked) -> None:
    """Add what the folder's SHA256SUMS.txt lists, if there is one; a missing file counts as damage of the list."""
    sums = folder / SUMS
    if not sums.is_file():
        return
    try:
        names = read_sums(sums)
    except DataError as error:
        remedy, delete = sums_remedy(sums)
        remedy = remedy if delete else "fetch the list again, or delete it"
        problem = str(error).rpartition(";")[0] or str(error)
        result.damaged.append(Damage(sums, f"{problem}; {remedy}", delete))
        return
    missing = next((name for name in names if not (folder / name).exists()), None)
    if missing:
        remedy, delete = sums_remedy(sums)
        message = f"{sums}: lists {missing}, which does not exist; {remedy}"
        result.damaged.append(Damage(sums, message, delete))
    listed |= {(folder / name).absolute(): (sums, expected) for name, expected in names.items()}


def _missing(folder: Path) -> list[Damage]:
    """Missing files of a folder that have their own checksum."""
    found = []
    for sums in sorted((folder / CHECKSUM_FOLDER).glob("*.sha256")):
        path = folder / sums.name.removesuffix(".sha256")
        if not path.exists():
            remedy = f"run again, or request it: snakemake {path} (if it is not needed: delete {sums})"
            found.append(Damage(path, f"{path}: missing; {remedy}", None))
    return found


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of their files, without hidden ones. Links to folders are followed once."""
    seen = set()
    for current, folders, names in os.walk(folder, followlinks=True):
        stat = os.stat(current)
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield Path(current), [name for name in names if not name.startswith(".")]
