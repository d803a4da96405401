"""Inputs of the baselines: thumbnails of pages, images and margins, and signals at one rate and length."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ecgpipe.artifacts.baselines import SAMPLING_RATE, SIGNALS_SHAPE, BaselineFeatures, BaselineSignals
from ecgpipe.artifacts.digitized import SAMPLING_RATE as DIGITIZED_RATE
from ecgpipe.artifacts.digitized import read_digitized
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.page_transform import read_index
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.artifacts.resampling import resample, resample_with_gaps
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.errors import DataError, RecordError
from ecgpipe.progress import progress

SPARE = 0.005
"""Margin around the traces, as a fraction of the page's sides."""


EDGE_POINTS = 17
"""Points along each side of an image's traces that are mapped to its page."""


def trace_area(
    images: Iterable[Path | str],
    indices: Iterable[Path | str],
    margins: tuple[float, float, float, float] = (0, 0, 0, 0),
) -> dict:
    """The smallest rectangle on the page around the traces of all records, plus a margin.

    It is the same for every record, so that its shape carries no information about a record. It includes everything
    between the traces: lead names, calibration pulses, separators.

    Args:
        images, indices: files of all shards, in the same order.
        margins: fractions of the page that images without a transform leave out: top, right, bottom, left.

    Returns:
        The content of area.json: ``top``, ``bottom``, ``left``, ``right`` (0 to 1), ``records``.

    Raises:
        DataError: there are no images, or none has ink.
    """
    low, high, records = np.array([np.inf, np.inf]), np.array([-np.inf, -np.inf]), 0
    up, right, down, left = margins
    for file, index in zip(images, indices, strict=True):
        packed = open_images(file)
        for image, (_, transform) in zip(packed, read_index(index), strict=True):
            records += 1
            inked = np.flatnonzero(image.any(axis=1)), np.flatnonzero(unpack(np.bitwise_or.reduce(image, axis=0)))
            if not len(inked[0]):
                continue
            (top, bottom), (first, last) = ((place[0], place[-1] + 1) for place in inked)
            outline = _outline(first, last, top, bottom) / len(image)
            if transform is None:
                outline = [left, up] + outline * [1 - left - right, 1 - up - down]
            else:
                outline = transform.to_page(outline)
            low, high = np.minimum(low, outline.min(axis=0)), np.maximum(high, outline.max(axis=0))
    if not np.isfinite(low).all():
        raise DataError("no image has ink; see the problems tables")
    (left, top), (right, bottom) = (
        (low - SPARE).clip(0, 1).round(6).tolist(),
        (high + SPARE).clip(0, 1).round(6).tolist(),
    )
    return {"top": top, "bottom": bottom, "left": left, "right": right, "records": records}


def _outline(left: float, right: float, top: float, bottom: float) -> np.ndarray:
    """Points (n, 2) along the sides of a rectangle, since a page may be bent."""
    x, y = np.linspace(left, right, EDGE_POINTS), np.linspace(top, bottom, EDGE_POINTS)
    sides = [(x, np.full_like(x, at)) for at in (top, bottom)] + [(np.full_like(y, at), y) for at in (left, right)]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def mask_page(page: np.ndarray, area: dict) -> np.ndarray:
    """A copy of a grey page (H, W) uint8 with the area of the traces white."""
    height, width = page.shape
    masked = page.copy()
    rows = slice(int(np.floor(area["top"] * height)), int(np.ceil(area["bottom"] * height)))
    columns = slice(int(np.floor(area["left"] * width)), int(np.ceil(area["right"] * width)))
    masked[rows, columns] = 255
    return masked


def outside_pixels(area: dict, width: int, height: int) -> np.ndarray:
    """(height, width) bool: pixels of a thumbnail outside the area."""
    rows = _outside(height, area["top"], area["bottom"])
    return rows[:, None] | _outside(width, area["left"], area["right"])[None, :]


def _outside(length: int, start: float, stop: float) -> np.ndarray:
    edges = np.arange(length + 1) / length
    return (edges[1:] <= start) | (edges[:-1] >= stop)


THUMBNAIL = (96, 64)  # width and height, pixels
OUTSIDE = (480, 320)  # the same, for pages without the area of the traces


def shard_features(
    pages: PageSource,
    images_file: Path | str,
    index_file: Path | str,
    area: dict,
    title: str,
) -> BaselineFeatures:
    """Thumbnails of one shard, with one page in memory at a time.

    Args:
        pages: pages of the shard.
        images_file, index_file: files of the shard.
        area: content of area.json.
        title: title of the progress bar.

    Raises:
        DataError: a file is broken, or images and pages do not fit together.
    """
    images = open_images(images_file)
    rows = {record_id: row for row, record_id in enumerate(IMAGE_INDEX.read(index_file)["record_id"])}
    if len(rows) != len(images):
        raise DataError(
            f"{index_file}: names {len(rows)} images, {images_file} contains {len(images)}; make both again"
        )
    outside = outside_pixels(area, *OUTSIDE)
    width, height = THUMBNAIL
    count = len(images)
    result = BaselineFeatures(
        record_ids=np.array(list(rows), dtype=str),
        pages=np.zeros((count, height, width), np.uint8),
        images=np.zeros((count, height, width), np.uint8),
        outside=np.zeros((count, int(outside.sum())), np.uint8),
        form=np.zeros((count, 2), np.float32),
    )
    pages_used = 0
    for page in progress(pages, title, len(pages), "pages"):
        row = rows.get(page.record_id)
        if row is None:
            continue
        grey = cv2.cvtColor(read_image(page.image, f"the page of record {page.record_id}"), cv2.COLOR_RGB2GRAY)
        result.pages[row] = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        result.images[row] = cv2.resize(255 * unpack(images[row]), (width, height), interpolation=cv2.INTER_AREA)
        result.outside[row] = cv2.resize(mask_page(grey, area), OUTSIDE, interpolation=cv2.INTER_AREA)[outside]
        result.form[row] = grey.shape[1], grey.shape[0]
        pages_used += 1
    if pages_used != count:
        raise DataError(f"{index_file}: {count - pages_used} images have no page; make the pages and the images again")
    return result


def shard_signals(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    *,
    title: str,
    derive_leads: bool,
    reading: Mapping[str, Any] | None,
) -> BaselineSignals:
    """The shard's signals at 100 Hz, 10 s. Unreadable records are skipped, since they have no page either.

    Args:
        records: the shard's rows of records.parquet.
        source: folder or zip archive that the records' paths start from.
        sampling_rate: Hz that every header must state; None accepts any.
        title: title of the progress bar.
        derive_leads: as ``read_record``.
        reading: other arguments of ``read_record``.
    """
    opened, ids, signals = open_source(source), [], []
    rows = list(zip(records["record_id"], records["path"], strict=True))
    for record_id, path in progress(rows, title, len(rows), "records"):
        try:
            signal, rate = read_record(opened, path, record_id, sampling_rate, derive_leads, **(reading or {}))
        except RecordError:  # already listed by the rendering stage
            continue
        ids.append(record_id)
        signals.append(as_reference(signal, rate))
    return BaselineSignals(np.array(ids, str), np.array(signals, np.float16).reshape(-1, *SIGNALS_SHAPE))


def as_reference(signal: np.ndarray, rate: float) -> np.ndarray:
    """(12, samples) mV at any rate -> (12, 1000) float32 at 100 Hz, cut to the first 10 s or filled with zeros.

    The median of each lead is subtracted: the position of the trace on the paper is not part of the signal.
    """
    signal = resample(signal, rate, SAMPLING_RATE)
    signal = signal - np.median(signal, axis=1, keepdims=True)
    result = np.zeros(SIGNALS_SHAPE, np.float32)
    length = min(signal.shape[1], SIGNALS_SHAPE[1])
    result[:, :length] = signal[:, :length]
    return result


def digitized_signals(record_ids: Sequence[str], file: Path | str) -> BaselineSignals:
    """The signals of a shard's records. A page that could not be digitized gives zeros, since nothing is known of it.

    Args:
        record_ids: (n,) of the shard, digitized or not.
        file: its digitized recordings.
    """
    signals = np.zeros((len(record_ids), *SIGNALS_SHAPE), np.float16)
    rows = {record_id: row for row, record_id in enumerate(record_ids)}
    for record in read_digitized(file):
        if record.record_id in rows:
            signals[rows[record.record_id]] = gaps_as_zero(record.signal, DIGITIZED_RATE)
    return BaselineSignals(np.array(record_ids, str), signals)


def gaps_as_zero(signal: np.ndarray, rate: float) -> np.ndarray:
    """``as_reference`` of a recording with gaps: (12, samples) mV with NaN -> (12, 1000) float32, zero in the gaps."""
    seen = resample_with_gaps(signal, rate, SAMPLING_RATE)[:, : SIGNALS_SHAPE[1]]
    reference = np.zeros(SIGNALS_SHAPE, np.float32)
    for row, values in zip(reference, seen, strict=True):
        known = np.isfinite(values)
        if known.any():
            row[: len(values)][known] = values[known] - np.median(values[known])
    return reference
