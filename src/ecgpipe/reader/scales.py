"""The scales of a page, from its calibration pulses and its waves: millimetres per millivolt and per second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.pulses import FOOT, GAINS, HEIGHTS, LEAST_ROWS, WIDTHS, Mark, alike, enough_rows, off_size

PLATEAU = 1.2  # mm, its least width without the line: a separator with other ink beside it is narrower
INK = 0.4  # probability
ALONE = 0.06, 0.12  # tolerances of height and width of a single pulse, shares
CELL = 7.0  # mm: lower rectangles may also be cells of the grid, so LEAST_ROWS rows must have them
FAST_PULSE = 8.0, 12.5  # mm: a pulse of 0.2 s at 50 mm/s

RATE = 500.0  # Hz, of the recordings on which the limits below were chosen: at 50 Hz, complexes look broader
QRS_BAND = 5.0, 25.0  # Hz
SMOOTHED, REFRACTORY, AROUND = 0.1, 0.3, 0.2  # s: smoothing, least distance of beats, and half a window around one
SHARES = 0.1, 0.9  # of a complex's energy, between which its width is measured
LOW = 0.25  # quantile of the leads: a tall T wave makes the complexes of some leads look broad
SHORTEST = 1.0  # s of a lead that is used
SLOW = 1.3, 0.048  # s between beats and s of a complex above which 50 mm/s is assumed
SLOW_WITH_PULSES = 0.95, 0.044  # the same on pages with wide pulses
LONG = 16.0  # s, of rows of 400 mm


@dataclass(frozen=True)
class Pulses:
    """Calibration pulses of 1 mV.

    Attributes:
        gain: mm/mV, one of GAINS; None if their height is none of these.
        wide: whether they are as wide as 0.2 s at 50 mm/s.
        others: gains of further pulses, for example of the chest leads.
        height: mm.
    """

    gain: float | None
    wide: bool
    others: tuple[float, ...] = ()
    height: float = field(default=0.0, compare=False)


def find_pulses(page: ReadPage, unit: float = 1.0, drawn: Sequence[Mark] = ()) -> Pulses | None:
    """The calibration pulses of a page; None if there are none.

    A mark of a pulse's size on a row's baseline counts if half of the rows, and at least two, or LEAST_ROWS rows have
    such a mark at the same x and of the same height. The network labels many pulses as other ink. On a grid, a single
    clear rectangle of a usual size beyond the ends of its row's trace is enough.

    Args:
        page: as read.
        unit: estimated millimetres per true millimetre.
        drawn: from ``drawn_pulses``.
    """
    marks = [*_marks(page, unit), *drawn]
    enough = enough_rows(page)
    found: list[Pulses] = []
    for mark in marks:
        group, low = alike(mark, marks), mark.height / unit < CELL
        in_maps, everywhere = ({each.row for each in group if both or each not in drawn} for both in (False, True))
        alone = mark in drawn and not low and _is_usual(mark, page)
        if alone or len(in_maps) >= enough or len(everywhere) >= (max(enough, LEAST_ROWS) if low else enough):
            height = float(np.median([each.height for each in group])) / unit
            nearest = min(GAINS, key=lambda gain: abs(np.log(gain / height)))
            fast = [each for each in group if FAST_PULSE[0] <= each.width / unit <= FAST_PULSE[1]]
            wide = page.reading.grid_found and len(fast) >= 2  # the network may miss the tops of some
            gain = nearest if abs(np.log(nearest / height)) < 0.25 else None
            found.append(Pulses(gain, wide, height=height))
    if not found:
        return None
    first = next((pulses for pulses in found if pulses.gain), found[0])
    return replace(first, others=tuple(sorted({each.gain for each in found if each.gain} - {first.gain})))


def _is_usual(mark: Mark, page: ReadPage) -> bool:
    """Whether a pulse has a usual size and lies before or behind the trace of its row, on a page with a grid."""
    row = [lead for lead in page.leads.leads if lead.row == mark.row]
    apart = mark.left + mark.width < row[0].left + FOOT or mark.left > row[-1].right - FOOT
    high, wide = off_size(mark)
    level = abs(mark.foot - page.leads.rows[mark.row]) < FOOT
    return page.reading.grid_found and apart and level and high < ALONE[0] and wide < ALONE[1]


def _marks(page: ReadPage, unit: float) -> Iterator[Mark]:
    """Marks of a pulse's size that stand on a row's baseline."""
    mm, maps, rows = page.frame.pixels_per_mm, page.reading.maps, np.array(page.leads.rows)
    ink = np.maximum(maps[PIXEL_MAPS.index("ink")], maps[PIXEL_MAPS.index("pulse")])
    marked = (page.frame.warp(ink, page.reading.scale, 0) >= INK).astype(np.uint8)
    joined = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))  # thin lines are broken
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    (low, high), (narrow, wide) = np.array((HEIGHTS, WIDTHS)) * unit
    for number, (left, top, width, height, area) in enumerate(boxes[1:], 1):
        thickness = area / (2 * height + width) / mm
        row = int(np.abs(rows - (top + height) / mm).argmin())
        foot = abs(rows[row] - (top + height) / mm + thickness / 2)
        if low <= height / mm - thickness <= high and narrow <= width / mm <= wide and foot <= FOOT:
            middle = labels[top + height // 2, left : left + width] == number
            across = np.flatnonzero(middle)
            plateau = (across[-1] - across[0] + 1) / mm - thickness if len(across) else 0.0
            if plateau >= PLATEAU * unit:
                yield Mark(left / mm, height / mm - thickness, plateau, row)


def waves_of(signal: np.ndarray, rate: float) -> tuple[float, float] | None:
    """Median seconds between beats, and seconds of the QRS complexes in leads with narrow ones.

    A complex lasts from 10% to 90% of the energy of a lead's slopes (5 to 25 Hz, less their median).

    Args:
        signal: (leads, samples); NaN where a lead is unknown.
        rate: samples per second.

    Returns:
        None with fewer than three beats.
    """
    parts = list(_slopes(signal, rate))
    energy, count = np.zeros(signal.shape[1]), np.zeros(signal.shape[1])
    for start, slopes in parts:
        place = np.s_[start : start + len(slopes)]
        energy[place] += np.minimum(slopes / np.quantile(slopes, 0.99), 1)
        count[place] += 1
    smooth = np.sqrt(uniform_filter1d(energy / np.maximum(count, 1), round(SMOOTHED * rate)).clip(0))
    beats, _ = find_peaks(smooth, height=0.4 * np.quantile(smooth, 0.98), distance=round(REFRACTORY * rate))
    if len(beats) < 3:
        return None
    half, widths = round(AROUND * rate), []
    for start, slopes in parts:
        inner = beats[(beats - half >= start) & (beats + half <= start + len(slopes))] - start
        above = np.clip(slopes - np.median(slopes), 0, None)
        ends = [np.interp(SHARES, *_shares(above[beat - half : beat + half])) for beat in inner]
        if ends:
            widths.append(np.median(np.diff(ends)) / rate)
    return (float(np.median(np.diff(beats))) / rate, float(np.quantile(widths, LOW))) if widths else None


def _slopes(signal: np.ndarray, rate: float) -> Iterator[tuple[int, np.ndarray]]:
    """First sample and squared slopes of each known part of a lead that is not flat."""
    band = butter(2, QRS_BAND, "band", fs=rate, output="sos")
    for row in signal:
        edges = np.flatnonzero(np.diff(~np.isnan(row), prepend=False, append=False))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start >= SHORTEST * rate:
                slopes = np.gradient(sosfiltfilt(band, row[start:stop].astype(float))) ** 2
                if np.quantile(slopes, 0.99) > 0:
                    yield start, slopes


def _shares(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the energy up to each sample, and the samples' numbers."""
    total = energy.cumsum()
    return total / max(total[-1], np.finfo(float).tiny), np.arange(len(energy))


def is_fast(signal: np.ndarray, rate: float, pulses: Pulses | None) -> bool:
    """Whether a recording, digitized at 25 mm/s, is more plausible at 50 mm/s: slow beats and broad complexes.

    Of 1,500 PTB-XL recordings of folds 1 to 9, cut to what a 3x4 page with a rhythm strip shows, 80% are recognized at
    50 mm/s and 0.07% mistaken at 25 mm/s; with the limits for wide pulses, 96% and 2.7%. For more than LONG seconds,
    which few pages show, slow beats or broad complexes are enough, and so is a recording without beats: of 250
    recordings, 99.2% are recognized at 50 mm/s and 10% mistaken at 25 mm/s.
    """
    waves = waves_of(signal, rate)
    limits = SLOW_WITH_PULSES if pulses is not None and pulses.wide else SLOW
    if signal.shape[1] > LONG * rate:
        return waves is None or any(value > limit for value, limit in zip(waves, SLOW, strict=True))
    return waves is not None and all(value > limit for value, limit in zip(waves, limits, strict=True))
