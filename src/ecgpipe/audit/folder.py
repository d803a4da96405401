"""Any folder of images or of WFDB records as a records table."""

import json
import os
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.records import RECORDS
from ecgpipe.audit.shard import IMAGE_SUFFIXES
from ecgpipe.errors import DataError


def list_folder(source: Path | str) -> pd.DataFrame:
    """All images, or else all WFDB records, below a folder; the folder that a file is in is taken for its class.

    Returns:
        Rows of records.parquet, ids are paths below the folder; patients are not known.

    Raises:
        DataError: no such folder, neither images nor .hea files in it, or both.
    """
    source = Path(source)
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; give the folder of the data set")
    found: dict[str, list[Path]] = {"images": [], "signals": []}
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "__MACOSX")
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in IMAGE_SUFFIXES:
                found["images"].append(Path(folder, name))
            elif suffix == ".hea":
                found["signals"].append(Path(folder, name).with_suffix(""))
    if found["images"] and found["signals"]:
        raise DataError(f"{source}: holds images and WFDB records; audit the folder of one kind at a time")
    files = found["images"] or found["signals"]
    if not files:
        raise DataError(f"{source}: neither images nor WFDB records (.hea) below it")
    images = bool(found["images"])
    paths = sorted(file.relative_to(source).as_posix() for file in files)
    frame = pd.DataFrame({"record_id": paths, "path": paths})
    classes = [Path(path).parent.as_posix() for path in paths]
    frame["statements"] = [json.dumps({name: 100.0} if images and name != "." else {}) for name in classes]
    for column in ("patient_id", "fold", "age", "sex"):
        frame[column] = None
    return frame.assign(shard="00", content="")[RECORDS.schema.names]
