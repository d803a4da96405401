"""Which files of a results folder no longer hold what was written: every file is read that carries a checksum.

CHECKED and UNCHECKED name all that the workflow writes (docs/formats.md), by what the end of a path looks like; other
files are somebody's own and left alone. A new output belongs into one of them: ``tests/artifacts/test_check.py`` holds
the rules to that.
"""

import functools
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecgpipe.artifacts.files import CHECKSUM, NPZ_ERRORS, SUMS, read_json, read_sums
from ecgpipe.artifacts.images import MARK, TRAILER, open_images
from ecgpipe.artifacts.model_folder import MODEL_FOLDER
from ecgpipe.artifacts.runs import CHECKPOINTS, HISTORY_FILE, SUMMARY_FILE, check_history
from ecgpipe.artifacts.tensors import check_tensors
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

END_OF_ZIP = 22
"""Bytes of the last record of a zip archive without a comment; NumPy writes none."""


def _parquet(path: Path) -> bool:
    import pyarrow.parquet as pq

    from ecgpipe.artifacts.tables import KEY, PARQUET_ERRORS, check_body, check_footer

    try:
        check_footer(path)
        if check_body(path):
            return True
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
            return KEY in (file.schema_arrow.metadata or {})
    except PARQUET_ERRORS as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}); delete it and run again") from error


def _images(path: Path) -> bool:
    open_images(path)
    with open(path, "rb") as file:
        file.seek(-min(TRAILER, path.stat().st_size), os.SEEK_END)
        return file.read().startswith(MARK)


def _archive(path: Path) -> bool:
    """Arrays of NumPy: a zip archive, which has a checksum of each."""
    try:
        with zipfile.ZipFile(path) as file:
            bad, parts = file.testzip(), len(file.infolist())
        with open(path, "rb") as raw:
            raw.seek(-END_OF_ZIP, os.SEEK_END)
            stated = int.from_bytes(raw.read()[10:12], "little")
        if parts != stated:  # names that lie in what seems to be another entry's comment
            raise ValueError(f"it holds {parts} arrays, and says {stated}")
        if bad is not None:
            raise ValueError(f"its part {bad} is damaged")
    except NPZ_ERRORS as error:
        raise DataError(f"{path}: not a readable file of arrays ({error}); delete it and run again") from error
    return True


def _json(path: Path) -> bool:
    read_json(path)
    value = json.loads(path.read_bytes())
    return isinstance(value, dict) and CHECKSUM in value


def _history(path: Path) -> bool:
    summary = path.with_name(SUMMARY_FILE)
    try:
        stated = summary.is_file() and "history_crc32" in read_json(summary)
    except DataError:
        return False  # the summary itself is named
    check_history(path.parent)
    return stated


def _weights(path: Path) -> bool:
    try:
        return check_tensors(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable weights file ({error}); delete it and train the run again") from error


def _of_model(verify: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """A saved model is written as a whole, so that another remedy is due."""

    def of_model(path: Path) -> bool:
        try:
            return verify(path)
        except DataError as error:
            what = str(error).rpartition("; ")[0]
            raise DataError(f"{what}; delete the folder {path.parent} and save the model again") from error

    return of_model


CHECKED: dict[str, Callable[[Path], bool]] = {
    f"{MODEL_FOLDER}/weights.safetensors": _of_model(_weights),
    f"{MODEL_FOLDER}/metrics.json": _of_model(_json),
    "weights.safetensors": _weights,
    "records.parquet": _parquet,
    "records.problems.parquet": _parquet,
    "labels.parquet": _parquet,
    "labels.dropped.parquet": _parquet,
    "labels.json": _json,
    "pages/*.parquet": _parquet,
    "images/*.parquet": _parquet,
    "images/*.npy": _images,
    "windows/*/*.parquet": _parquet,
    "windows/*/*.npy": _images,
    "audit/*.parquet": _parquet,
    "audit/audit.json": _json,
    "splits/*/seed-*.parquet": _parquet,
    "splits/*/seed-*.json": _json,
    "run.json": _json,
    "run_index.npz": _archive,
    HISTORY_FILE: _history,
    SUMMARY_FILE: _json,
    "predictions.parquet": _parquet,
    "metrics.json": _json,
    "saliency.npz": _archive,
    "saliency.parquet": _parquet,
    "saliency.json": _json,
    "findings/*.parquet": _parquet,
    "baselines/area.json": _json,
    "baselines/*.npz": _archive,
    "comparisons/*.json": _json,
    "report/claims.json": _json,
}
"""End of a path -> what reads the file and says whether it carries a checksum; DataError in the words of its reader.
The first that fits holds."""

UNCHECKED = (
    "labels.csv", "audit/leaks.json", "saliency.png", "curves.png", "strict.ok", "comparisons/*.csv",
    "tuning/tuning.csv", "tuning/best.yaml", f"{MODEL_FOLDER}/config.json", f"{MODEL_FOLDER}/README.md",
    f"{MODEL_FOLDER}/ood.safetensors", "report/*.html", "report/*.csv", "report/tables/*",
    f"{CHECKPOINTS}/*", "tensorboard/*", "*.log", "*.tsv",
)  # fmt: skip
"""Files without a checksum: for people, or for others to change; a checkpoint has its own, which resuming compares."""
LISTED_FOLDER = "simulated/data"
"""Its files are in a list of SHA-256 sums there."""


@dataclass(frozen=True)
class Damage:
    """A file that no longer holds what was written.

    Attributes:
        file: which.
        message: what is wrong, and the remedy; one line.
        delete: what the remedy has deleted; None where that would not help.
    """

    file: Path
    message: str
    delete: Path | None


@dataclass
class Checked:
    """What was found below a folder.

    Attributes:
        whole: files that fit their checksums.
        without: files of ours that carry none.
        damaged: the others.
    """

    whole: int = 0
    without: int = 0
    damaged: list[Damage] = field(default_factory=list)


def check_folder(folder: Path) -> Checked:
    """Read every file of ours below a folder that carries a checksum; shows its progress.

    Args:
        folder: of results, or a part of one.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of results")
    found = Checked()
    known: dict[tuple[int, int], bool] = {}  # a saved model's weights are a second name of its run's
    for path in progress(sorted(filter(is_ours, _files(folder))), f"check {folder.name}", unit="files"):
        try:
            stat = path.stat()
            same = (stat.st_dev, stat.st_ino)
            if not known.get(same):
                known[same] = verify(path)
        except FileNotFoundError:
            continue  # a workflow that runs has replaced or removed it
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}); see to the rights of the file and its folder"
            found.damaged.append(Damage(path, message, None))
        except DataError as error:
            if path.exists():
                found.damaged.append(Damage(path, " ".join(str(error).split()), _to_delete(path)))
        else:
            found.whole += known[same]
            found.without += not known[same]
    return found


def is_ours(path: Path) -> bool:
    """Whether a path is one that the workflow writes."""
    return _verifier(path) is not None or _carries_none(path)


def verify(path: Path) -> bool:
    """Whether a file carries a checksum, which it then fits.

    Raises:
        DataError: it is damaged; file, what is wrong, remedy.
        OSError: it cannot be opened, which says nothing of its content.
    """
    with open(path, "rb"):
        pass
    check = _verifier(path)
    return check is not None and check(path)


def _files(folder: Path) -> Iterator[Path]:
    """All files; hidden ones are of writers that still write, or were killed. Links to folders are followed once."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        stat = os.stat(place)
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _verifier(path: Path) -> Callable[[Path], bool] | None:
    if _listed_folder(path) is not None:
        return _listed
    if _carries_none(path):
        return None
    whole = path.absolute()  # the folder that was given may be a part of a pattern
    return next((check for pattern, check in CHECKED.items() if whole.match(pattern)), None)


def _carries_none(path: Path) -> bool:
    return any(map(path.absolute().match, UNCHECKED))


def _listed_folder(path: Path) -> Path | None:
    """Of a file of simulated records, the folder that is made as a whole."""
    return next((folder for folder in path.parents if folder.absolute().match(LISTED_FOLDER)), None)


def _listed(path: Path) -> bool:
    folder = _listed_folder(path)
    assert folder is not None
    if not (folder / SUMS).is_file():
        return False
    try:
        stat = (folder / SUMS).stat()
        sums = _sums(folder / SUMS, stat.st_size, stat.st_mtime_ns)
        if path == folder / SUMS:
            if gone := next((name for name in sums if not (folder / name).is_file()), None):
                raise ValueError(f"no file {gone}")
            return False
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sums.get(path.relative_to(folder).as_posix()):
            raise ValueError("another SHA-256, or none")
    except (OSError, ValueError, DataError) as error:
        raise DataError(
            f"{path}: does not fit the list {SUMS} ({error}); delete the folder {folder} and run again"
        ) from error
    return True


@functools.lru_cache(maxsize=8)
def _sums(file: Path, size: int, changed: int) -> dict[str, str]:
    """Name -> sum, read once for all files of a folder."""
    return read_sums(file)


def _to_delete(path: Path) -> Path:
    if path.parent.name == MODEL_FOLDER:
        return path.parent
    return _listed_folder(path) or path
