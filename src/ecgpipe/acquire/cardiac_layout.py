"""Where a copy of the ECG Images dataset of Cardiac Patients keeps its classes, and its shards."""

import hashlib
import re
from pathlib import Path

from ecgpipe.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}

# a word of the folder's name -> class; in this order, since "History of MI" also says MI
CLASS_WORDS = (
    ("History of Myocardial Infarction", re.compile(r"history|pmi", re.I)),
    ("Abnormal Heartbeat", re.compile(r"abnormal|hb", re.I)),
    ("Myocardial Infarction", re.compile(r"myocardial|\bmi\b", re.I)),
    ("Normal", re.compile(r"normal", re.I)),
)
CLASSES = ("Normal", "Myocardial Infarction", "History of Myocardial Infarction", "Abnormal Heartbeat")


def image_files(folder: Path) -> list[Path]:
    """The images of a folder, by name; hidden files are none."""
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))


def class_folders(source: Path | str) -> dict[str, Path]:
    """Class -> folder of a copy; the copy may lie one level deeper than the given folder.

    Raises:
        DataError: a class has no folder, or two.
    """
    source = Path(source)
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; set cardiac_images.source to the folder of the four class folders")
    found: dict[str, Path] = {}
    for folder in sorted(path for path in (*source.glob("*/"), *source.glob("*/*/")) if path.is_dir()):
        if not image_files(folder) or "__MACOSX" in folder.parts:
            continue
        name = next((name for name, word in CLASS_WORDS if word.search(folder.name)), None)
        if name is None:
            raise DataError(f"{folder}: cannot tell which of {', '.join(CLASSES)} this folder is")
        if name in found:
            raise DataError(f"{folder} and {found[name]} both look like the class {name}; keep one")
        found[name] = folder
    missing = [name for name in CLASSES if name not in found]
    if missing:
        raise DataError(f"{source}: no folder of the class {', '.join(missing)}")
    return found


def shard_names(shards: int) -> list[str]:
    """Names of a given number of shards."""
    return [f"{number:02d}" for number in range(shards)]


def shard_of(record_id: str, shards: int) -> str:
    """Shard of an image: by its id's hash, so that adding an image never moves another."""
    return f"{int(hashlib.sha256(record_id.encode()).hexdigest(), 16) % shards:02d}"


def source_stamp(source: Path | str, shards: int) -> dict[str, str]:
    """Shard -> a stamp that changes when any image of the shard does (name, size or time of change)."""
    digests = {shard: hashlib.sha256() for shard in shard_names(shards)}
    for folder in class_folders(source).values():
        for file in image_files(folder):
            stat = file.stat()
            line = f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n"
            digests[shard_of(file.stem, shards)].update(line.encode())
    return {shard: digest.hexdigest()[:16] for shard, digest in digests.items()}
