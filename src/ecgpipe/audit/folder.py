"""Any folder or zip archive of images or of WFDB records as a records table."""

import json
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.source import is_image, open_source
from ecgpipe.errors import DataError


def list_folder(source: Path | str) -> pd.DataFrame:
    """All images, or else all WFDB records, below a folder; the folder that a file is in is taken for its class.

    Returns:
        Rows of records.parquet, ids are paths below the folder; patients are not known.

    Raises:
        DataError: no such folder or archive, neither images nor .hea files in it, or both.
    """
    names = [name for name in open_source(source).names() if not name.startswith("__MACOSX/")]
    images = [name for name in names if is_image(name)]
    signals = [name.removesuffix(".hea") for name in names if name.endswith(".hea")]
    if images and signals:
        raise DataError(f"{source}: holds images and WFDB records; audit the folder of one kind at a time")
    paths = images or signals
    if not paths:
        raise DataError(f"{source}: neither images nor WFDB records (.hea) below it")
    frame = pd.DataFrame({"record_id": paths, "path": paths})
    classes = [PurePosixPath(path).parent.as_posix() for path in paths]
    frame["statements"] = [json.dumps({name: 100.0} if images and name != "." else {}) for name in classes]
    for column in ("patient_id", "fold", "age", "sex"):
        frame[column] = None
    return frame.assign(shard="00", content="")[RECORDS.schema.names]
