"""Where a copy of the ECG Images dataset of Cardiac Patients keeps its classes."""

import re
from pathlib import Path, PurePosixPath

from ecgpipe.acquire.hashed_shards import shard_stamps
from ecgpipe.artifacts.source import Source, is_image, open_source
from ecgpipe.errors import DataError

# a word of the folder's name -> class; in this order, since "History of MI" also says MI
CLASS_WORDS = (
    ("History of Myocardial Infarction", re.compile(r"history|pmi", re.I)),
    ("Abnormal Heartbeat", re.compile(r"abnormal|hb", re.I)),
    ("Myocardial Infarction", re.compile(r"myocardial|\bmi\b", re.I)),
    ("Normal", re.compile(r"normal", re.I)),
)
CLASSES = ("Normal", "Myocardial Infarction", "History of Myocardial Infarction", "Abnormal Heartbeat")


def class_images(source: Path | str) -> dict[str, list[str]]:
    """Class -> names of its images in a copy; the class folders may lie one level deeper than the given folder.

    Args:
        source: folder, or a zip archive of it.

    Raises:
        DataError: a class has no folder, or two.
    """
    files = _open(source)
    folders: dict[str, list[str]] = {}
    for name in files.names():
        path = PurePosixPath(name)
        if is_image(name) and len(path.parts) in (2, 3) and "__MACOSX" not in path.parts:
            folders.setdefault(str(path.parent), []).append(name)
    found: dict[str, str] = {}
    for folder in sorted(folders):
        name = next((name for name, word in CLASS_WORDS if word.search(PurePosixPath(folder).name)), None)
        if name is None:
            raise DataError(f"{files.where(folder)}: cannot tell which of {', '.join(CLASSES)} this folder is")
        if name in found:
            both = f"{files.where(folder)} and {files.where(found[name])}"
            raise DataError(f"{both} both look like the class {name}; keep one")
        found[name] = folder
    missing = [name for name in CLASSES if name not in found]
    if missing:
        raise DataError(f"{source}: no folder of the class {', '.join(missing)}")
    return {name: folders[folder] for name, folder in found.items()}


def _open(source: Path | str) -> Source:
    try:
        return open_source(source)
    except DataError as error:
        if Path(source).exists():
            raise
        raise DataError(
            f"{source}: no such folder or zip archive; set cardiac_images.source to the folder of the four class "
            "folders, or to an archive of it"
        ) from error


def source_stamp(source: Path | str, shards: int) -> dict[str, str]:
    """Shard -> a stamp that changes when any image of the shard does (name, size, time of change or checksum)."""
    names = {PurePosixPath(name).stem: [name] for images in class_images(source).values() for name in images}
    return shard_stamps(open_source(source), names, shards)
