"""Redraw digitized pages in one layout, so that a model's input does not depend on the page's layout.

Each lead is drawn only for the time that the page shows; the rest stays blank.
"""

import numpy as np

from ecgpipe.artifacts.digitized import DETAILS, SAMPLING_RATE, DigitizedRecord
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.apply import Prepared, prepare_traces
from ecgpipe.preprocess.canvas import Rows, reader_of
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import Page, render_page, render_trace_coverage


def digitize_picture(picture: np.ndarray, record_id: str, weights: str | None) -> DigitizedRecord:
    """Digitize a picture of a page, uint8 (H, W, 3) RGB.

    Args:
        picture: the page.
        record_id: of the result.
        weights: file of the reader's weights; None: those in the package.

    Raises:
        DataError: the page cannot be digitized.
    """
    from ecgpipe.reader.digitize import digitize

    recording = digitize(picture, reader_of(weights), SAMPLING_RATE)
    summary = recording.summary()
    return DigitizedRecord(record_id, recording.signal, {key: summary[key] for key in DETAILS})


def digitize_file(data: bytes, record_id: str, weights: str | None) -> DigitizedRecord:
    """Digitize the content of an image file; errors also as in ``read_image``."""
    return digitize_picture(read_image(data, record_id), record_id, weights)


def redrawn_page(signal: np.ndarray, rate: float, drawing: RenderConfig) -> Page:
    """The page of a recording with gaps, float (12, samples) mV at ``rate`` Hz, in the canonical layout."""
    return render_page(np.asarray(signal, float), rate, drawing, gaps=True)


def redrawn_image(signal: np.ndarray, rate: float, drawing: RenderConfig, config: PreprocessConfig) -> Prepared:
    """The image of that page, centred on the layout, not on the traces, since some may be missing.

    Args:
        signal: float (12, samples) mV, NaN where it is unknown.
        rate: Hz.
        drawing: the canonical layout.
        config: the preprocessing.

    Raises:
        DataError: the layout shows no part of the recording.
    """
    cover = render_trace_coverage(np.asarray(signal, float), rate, drawing, gaps=True)
    if not cover.any():
        raise DataError(f"the layout {drawing.layout} shows no part of the digitized page")
    return prepare_traces(cover, drawing.dpi, config, rows_of_layout(drawing))


def prepare_digitized(picture: np.ndarray, drawing: RenderConfig, config: PreprocessConfig) -> Prepared:
    """The image of a picture of a page, uint8 (H, W, 3) RGB, that is digitized and redrawn.

    Raises:
        DataError: the page cannot be digitized, or the layout shows no part of it.
    """
    record = digitize_picture(picture, "", config.reader_weights)
    image = redrawn_image(record.signal, SAMPLING_RATE, drawing, config)
    return image._replace(notes=tuple(record.details["notes"]))


def rows_of_layout(drawing: RenderConfig) -> Rows:
    """Left and right end of the rows, and the first and last baseline, in mm on the page."""
    slots = layout_named(drawing.layout).slots
    baselines = [slot.baseline for slot in slots]
    return (min(s.x for s in slots), max(s.x + s.width for s in slots)), (min(baselines), max(baselines))
