"""Training examples of the line network: random pages, digitized by the reader, and the true signals."""

import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.interpolate import make_interp_spline

from ecgpipe.artifacts.files import file_sha256
from ecgpipe.config.pages import LAYOUTS, DegradeConfig, ReaderConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS
from ecgpipe.progress import progress
from ecgpipe.reader.lead_line import read_lines
from ecgpipe.reader.line_data import LineExamples
from ecgpipe.reader.line_network import PER_COLUMN
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_reader
from ecgpipe.reader.refine import LineView, view_line
from ecgpipe.reader.signals import SAMPLING_RATE
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import Page, render_page

LAYOUT_SHARES = dict(zip(LAYOUTS, (0.45, 0.2, 0.2, 0.15), strict=True))
LEVEL_SHARES = {"none": 0.3, "scan": 0.2, "photo": 0.3, "harsh": 0.2}
USUAL_STYLE = 0.3  # share of pages with the layout's own resolution, and share with its own trace width
DPI, WIDTH = (110, 280), (0.45, 2.2)  # of the other pages: pixels per inch, and points
AT_AN_END, BOUNDARIES = 0.5, (0, 1250, 2500, 3750, 5000)  # share of pages with a wave at one of these samples
STEEP, BESIDE = 0.98, 12  # quantile of the slopes in waves, and samples by which they may miss the boundary
SEPARATED = 0.6  # share of pages with separators between leads
MOST_SHIFT, STEPS = 30, 8  # samples by which times may be wrong, and steps per sample
GAIN = 10.0  # mm/mV
LONGEST = 640  # columns of an example; longer lines are cut at random
LEAST_RATIO = 2.0  # of signal power to error power; below it, the line does not follow the lead


def collect_line_examples(signals: Path | str, weights: Path | str, path: Path | str, recipe: ReaderConfig) -> int:
    """Make the examples of ``recipe.line_pages`` pages; pages from an interrupted run are kept.

    Args:
        signals: .npy file of ``reader.signals.collect_signals``.
        weights: of the page reader.
        path: output file (``LineExamples``); the finished pages are beside it until all are complete.

    Returns:
        The number of examples.

    Raises:
        DataError: no page can be read.
    """
    net, shown, path = load_reader(weights), np.load(signals, mmap_mode="r"), Path(path)
    made_from = f"{file_sha256(signals)} {file_sha256(weights)} {recipe.seed}"
    folder = path.with_name(f"{path.stem}-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}")
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:05d}.npz" for number in range(recipe.line_pages)]
    for number, file in enumerate(progress(files, "pages for the line network", unit="pages")):
        if not file.is_file():
            line_examples(number, shown, recipe.seed, net).write(file)
    found = LineExamples.joined([LineExamples.read(file) for file in files])
    if not len(found):
        raise DataError(f"{path}: none of {len(files)} pages could be read")
    found.write(path)
    shutil.rmtree(folder)
    return len(found)


def line_examples(number: int, signals: np.ndarray, seed: int, net: ReaderNet) -> LineExamples:
    """Draw and degrade a random page, digitize it, and compare its lines with the recording.

    Args:
        number: of the page.
        signals: int16 (records, 12, samples), microvolts at 500 Hz.
        seed: of all random choices.
        net: the page reader.

    Returns:
        An example for each lead whose line follows it; none if the page cannot be read.
    """
    rng = np.random.default_rng((seed, number))
    signal = signals[int(rng.integers(len(signals)))] / 1000
    if rng.random() < AT_AN_END:
        signal = _wave_at_an_end(rng, signal)
    layout, level = (str(rng.choice(list(of), p=list(of.values()))) for of in (LAYOUT_SHARES, LEVEL_SHARES))
    dpi, width = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (DPI, WIDTH))
    changed = rng.random(2) >= USUAL_STYLE
    style = ({"dpi": round(dpi)} if changed[0] else {}) | ({"trace_width": width} if changed[1] else {})
    degrade = DegradeConfig(level=level, seed=int(rng.integers(1 << 31)))
    config = RenderConfig(layout=layout, degrade=degrade, **style)
    page = render_page(signal, SAMPLING_RATE, config)
    if rng.random() < SEPARATED:
        page = _with_separators(rng, page)
    page = degrade_page(page, degrade, str(number))
    with Image.open(io.BytesIO(page.encode())) as file:
        picture = np.array(file.convert("RGB"))
    try:
        read = read_lines(picture, net)
    except DataError:
        return LineExamples.joined([])
    views = [(line.lead.name, view_line(line, read)) for line in read.lines]
    pairs = [(signal[LEADS.index(name.upper())] * GAIN, view) for name, view in views if view is not None]
    return LineExamples.joined([example for pair in pairs if (example := _example(rng, *pair)) is not None])


def _wave_at_an_end(rng: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    """The signal (12, samples) moved in time, so that leads may begin or end within a wave; its ends are mirrored."""
    slopes = np.abs(np.diff(signal, axis=1)).max(axis=0)
    steep = int(rng.choice(np.flatnonzero(slopes >= np.quantile(slopes, STEEP))))
    late = int(rng.choice(BOUNDARIES)) - steep + int(rng.integers(-BESIDE, BESIDE + 1))
    index = np.abs(np.arange(signal.shape[1]) - late)
    last = signal.shape[1] - 1
    return signal[:, last - np.abs(last - index)]


def _with_separators(rng: np.random.Generator, page: Page) -> Page:
    """The page with bars, dashes or lines in the colour of the traces where leads begin and end.

    They cover the ends of traces, and only examples teach where a wave continues behind them.
    """
    mm, indices = page.dpi / 25.4, page.indices.copy()
    full = (len(page.palette) - 1) // page.grounds * page.grounds
    kind = rng.choice(["bar", "dashes", "line"])
    thick = max(1, round(float(rng.uniform(0.15, 0.65)) * mm))
    dash, gap = rng.uniform(1, 6) * mm, rng.uniform(0.5, 4) * mm
    above, below = rng.uniform(1, 10, 2) * mm
    aside, phase = rng.normal(0, 0.15) * mm, rng.uniform(0, dash + gap)
    first, last = (pick(x for lead in page.leads for x in lead.pixels[[0, -1], 0]) for pick in (min, max))
    outer = rng.random(2) < (0.3, 0.5)  # also where the rows begin and end
    for lead in page.leads:
        y = np.arange(page.shape[0])
        middle = float(np.median(lead.pixels[:, 1]))
        drawn = (y > middle - above) & (y < middle + below) if kind == "bar" else np.ones(len(y), bool)
        if kind == "dashes":
            drawn = (y - phase) % (dash + gap) < dash
        for x in lead.pixels[[0, -1], 0]:
            at_edge = abs(x - first) < mm, abs(x - last) < mm
            if any(edge and not wanted for edge, wanted in zip(at_edge, outer, strict=True)):
                continue
            left = max(round(x + aside - thick / 2), 0)
            part = indices[drawn, left : left + thick]
            indices[drawn, left : left + thick] = part % page.grounds + full
    return replace(page, indices=indices)


def _example(rng: np.random.Generator, shown: np.ndarray, view: LineView) -> LineExamples | None:
    """Compare a view with the true signal, mm, at the shift that fits best, since its start is known only roughly."""
    known = np.flatnonzero(~np.isnan(view.heights))
    line, positions = view.heights[known], view.first + known
    curve = make_interp_spline(np.arange(len(shown)), shown)

    def above(shift: float) -> np.ndarray:
        return curve(np.clip(positions + shift, 0, len(shown) - 1)) - line

    coarse = min(range(-MOST_SHIFT, MOST_SHIFT + 1), key=lambda shift: above(shift).var())
    fine = min(np.arange(coarse - 1, coarse + 1.01, 1 / STEPS), key=lambda shift: above(shift).var())
    missing = above(fine)
    power = float((missing + line).var())
    if power <= LEAST_RATIO * missing.var():
        return None
    everywhere = np.full(len(view.heights), np.nan)
    everywhere[known] = missing - missing.mean()
    first = int(rng.integers(max(view.channels.shape[1] - LONGEST, 0) + 1))
    part = np.s_[PER_COLUMN * first : PER_COLUMN * (first + LONGEST)]
    return LineExamples.one(view.channels[:, first : first + LONGEST], everywhere[part], power)
