"""A digitized page is drawn again in one layout, so that a model sees the same picture whatever the page's layout.

What the page does not show stays blank: a lead is drawn only where it was seen, at its own time.
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
    """The image of that page. Its middle is the layout's, not that of the traces, of which some may be missing.

    Args:
        signal: float (12, samples) mV, NaN where nothing is known.
        rate: Hz.
        drawing: the canonical layout.
        config: the preprocessing.

    Raises:
        DataError: nothing of the recording is in the layout.
    """
    cover = render_trace_coverage(np.asarray(signal, float), rate, drawing, gaps=True)
    if not cover.any():
        raise DataError(f"nothing of the digitized page is at its place in the layout {drawing.layout}")
    return prepare_traces(cover, drawing.dpi, config, rows_of_layout(drawing))


def prepare_digitized(picture: np.ndarray, drawing: RenderConfig, config: PreprocessConfig) -> Prepared:
    """The image of a picture of a page, uint8 (H, W, 3) RGB, that is digitized and drawn again.

    Raises:
        DataError: the page cannot be digitized, or nothing of it is in the layout.
    """
    record = digitize_picture(picture, "", config.reader_weights)
    image = redrawn_image(record.signal, SAMPLING_RATE, drawing, config)
    return image._replace(notes=tuple(record.details["notes"]))


def rows_of_layout(drawing: RenderConfig) -> Rows:
    """Left and right end of the rows, and the first and last baseline, in mm on the page."""
    slots = layout_named(drawing.layout).slots
    baselines = [slot.baseline for slot in slots]
    return (min(s.x for s in slots), max(s.x + s.width for s in slots)), (min(baselines), max(baselines))
