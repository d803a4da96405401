"""Sketches of one shard of a data set."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.source import Source, is_image, open_source
from ecgpipe.audit.images import sketch_image
from ecgpipe.audit.signals import sketch_signal
from ecgpipe.audit.sketch import Sketch
from ecgpipe.errors import DataError, RecordError


def sketch_records(records: pd.DataFrame, source: Path | str, derive_leads: bool = False) -> Iterator[dict]:
    """Rows of the sketches format, one per record; what cannot be read has an anomaly instead of a digest.

    Args:
        records: rows of records.parquet.
        source: the data set's folder or zip archive.
        derive_leads: of signals, as ``read_record``.
    """
    files = open_source(source)
    for record_id, path in zip(records["record_id"], records["path"], strict=True):
        try:
            sketch = (
                sketch_image(_bytes(files, path, record_id), record_id, files.where(path))
                if is_image(path)
                else sketch_signal(files, path, record_id, derive_leads)
            )
        except RecordError as error:
            sketch = Sketch("", {}, [(error.problem, error.detail)], np.zeros(0, np.int8), np.zeros(0, np.int8))
        yield {
            "record_id": record_id,
            "digest": sketch.digest,
            "form": json.dumps(sketch.form),
            "anomalies": json.dumps(sketch.anomalies),
            "sketch": sketch.sketch.tobytes(),
            "detail": sketch.detail.tobytes(),
        }


def unusual(sketches: pd.DataFrame) -> Iterable[tuple[str, str, str]]:
    """(record, kind, detail) of the records that differ from what most of the data set has in common.

    Args:
        sketches: rows of the sketches format, record_id and form of them.
    """
    number, texts = pd.factorize(sketches["form"])  # few differ
    forms = [json.loads(text) for text in texts]
    for key in sorted({key for form in forms for key in form}):
        values = pd.Series([form.get(key) for form in forms], dtype=object)[number]
        values = pd.Series(values.to_numpy(), index=sketches["record_id"]).dropna()
        counts = values.value_counts()
        usual = min(counts[counts == counts.iloc[0]].index)  # a tie must not depend on the order
        share = counts[usual] / len(values)
        if share < 0.9:  # then nothing is usual; the summary counts the values
            continue
        for record_id, value in values[values != usual].items():
            yield record_id, f"unusual {key}", f"{value}, where {share:.1%} have {usual}"


def _bytes(files: Source, path: str, record_id: str) -> bytes:
    try:
        return files.read(path)
    except (OSError, DataError) as error:
        raise RecordError(record_id, files.where(path), "missing-file", f"cannot be read ({error})") from error
