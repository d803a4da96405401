"""The page reader on whole pages with random looks as in training, but unseen there, by kind of difficulty.

    python -m benchmarks.random_pages SIGNALS.npy [--pages 500] [--seed 1] [--workers 2] [--sheet DIR]

SIGNALS.npy is what `snakemake reader` collects (results/page-reader/reader/signals.npy). Each page has a random
layout, grid, ink and header, and is then rotated, bent, lit, copied and compressed like the training windows, 1,000
to 2,200 pixels wide. A lead is lost if less than half of its visible trace has found trace within 1 mm. False ink is
the share of the found trace that is farther than 1 mm from any trace. A name counts as right if the lead at its place
has it.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from ecgpipe.errors import DataError
from ecgpipe.progress import progress
from ecgpipe.reader.degrade import View, degrade_view, take_picture
from ecgpipe.reader.drawing import FONTS, Window, draw_window, print_page
from ecgpipe.reader.layouts import RandomLayout, random_layout, random_style
from ecgpipe.reader.page import ReadPage, understand_page
from ecgpipe.reader.read import load_reader
from ecgpipe.reader.signals import SAMPLING_RATE
from ecgpipe.workers import ordered_map

VISIBLE = 25  # of 255: a trace less dark than its surroundings by this much does not count as visible
SHEET = 420  # pixels, side of a page on the sheet


@dataclass(frozen=True)
class Result:
    """One page's figures; ``kinds`` are the rows of the table that it counts in."""

    kinds: tuple[str, ...]
    refused: bool = False
    leads: int = 0
    lost: int = 0
    false_ink: float = 0.0
    rows_right: bool = False
    scale_right: bool = False
    upright: bool = False
    names: int = 0
    names_right: int = 0


def random_page(seed: tuple[int, int], signals: np.ndarray) -> tuple[RandomLayout, View, np.ndarray]:
    """A page's layout, its truth, and its picture uint8 (size, size, 3)."""
    rng = np.random.default_rng(seed)
    layout, style = random_layout(rng), random_style(rng, len(FONTS))
    side, size = 1.06 * max(layout.width, layout.height), int(rng.integers(1000, 2200))
    around = round(1.25 * size)
    x0, y0 = ((whole - side * 1.25) / 2 for whole in (layout.width, layout.height))
    window = Window(around, size / side, x0, y0)
    draw_window(rng, window, layout, style, signals, SAMPLING_RATE)
    view = take_picture(rng, window, *print_page(rng, window), size)
    return layout, view, degrade_view(rng, view)


def kinds_of(view: View, picture: np.ndarray) -> tuple[str, ...]:
    """The kinds of difficulty of a page."""
    (right, down), (y_right, y_down) = _gradients(view)
    mirrored = right * y_down < down * y_right
    angle = abs(np.degrees(np.arctan2(-down, right)))
    turn = "mirrored" if mirrored else "straight" if angle < 2 else "tilted" if angle < 45 else "turned"
    scale = _pixels_per_mm(view)
    fine = "below 4 pixels/mm" if scale < 4 else "4 to 6 pixels/mm" if scale < 6 else "6 pixels/mm and more"
    grid = "no grid" if view.grid.max() < 0.3 else "grid"
    grey = picture.min(axis=2)
    trace = view.covers[..., 0] > 110
    contrast = float(np.median(grey)) - float(np.median(grey[trace])) if trace.any() else 0.0
    return ("all", turn, fine, grid, "low contrast" if contrast < 60 else "high contrast")


def evaluate(number: int, signals: Path, seed: int, sheet: Path | None) -> Result:
    """Read one page and compare."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    layout, view, picture = random_page((seed, number), np.load(signals, mmap_mode="r"))
    kinds = kinds_of(view, picture)
    try:
        page = understand_page(picture, load_reader())
    except DataError:
        page = None
    if sheet:
        _draw(picture, page, sheet / f"{number:04d}.jpg")
    leads = _true_leads(layout, view, picture)
    if page is None:
        return Result(kinds, refused=True, leads=len(leads), lost=len(leads))
    mask, scale = page.mask, _pixels_per_mm(view)
    far = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5) > scale
    away = cv2.distanceTransform((view.covers[..., 0] <= 110).astype(np.uint8), cv2.DIST_L2, 5) > scale
    return Result(
        kinds,
        leads=len(leads),
        lost=sum(far[lead].mean() > 0.5 for lead in leads.values()),
        false_ink=float(away[mask > 0].mean()) if mask.any() else 0.0,
        rows_right=len(page.leads.rows) == len({slot.baseline for slot in layout.slots}),
        scale_right=abs(np.log(page.reading.geometry.pixels_per_mm / scale)) < 0.03,
        upright=_upright(page, view),
        **_names(page, layout, view),
    )


def _gradients(view: View) -> np.ndarray:
    """(2, 2): of the page's x and y along the rows and columns of the picture, in its middle, mm per pixel."""
    middle = len(view.x) // 2
    return np.array([[np.gradient(part, axis=axis)[middle, middle] for axis in (1, 0)] for part in (view.x, view.y)])


def _pixels_per_mm(view: View) -> float:
    return float(abs(np.linalg.det(_gradients(view))) ** -0.5)


def _true_leads(layout: RandomLayout, view: View, picture: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Visible trace pixels (rows, columns) of each slot."""
    grey = cv2.erode(picture.min(axis=2), np.ones((3, 3), np.uint8)).astype(int)
    around = cv2.resize(cv2.medianBlur(cv2.resize(picture.min(axis=2), None, fx=0.5, fy=0.5), 15), grey.shape[::-1])
    rows, columns = np.nonzero((view.covers[..., 0] > 110) & (around.astype(int) - grey > VISIBLE))
    x, base = view.x[rows, columns], view.y[rows, columns] + view.offset[rows, columns]
    found = {}
    for index, slot in enumerate(layout.slots):
        own = (np.abs(base - slot.baseline) < 1) & (x >= slot.x) & (x < slot.x + slot.width)
        if own.sum() > 0.2 * slot.width / layout.speed * 100:
            found[index] = rows[own], columns[own]
    return found


def _upright(page: ReadPage, view: View) -> bool:
    """Whether the page's left-to-right direction is found correctly."""
    points = np.array([[0.4, 0.5], [0.6, 0.5]]) * len(view.x)
    height, width = page.reading.trace.shape
    x, y = points.T
    turned = ((x, y), (y, width - x), (width - x, height - y), (height - y, x))[page.quarters]
    found = np.diff(page.reading.geometry.to_page(np.stack(turned, axis=1)), axis=0)[0]
    columns, rows = points.astype(int).T
    true = np.array([np.diff(axis[rows, columns])[0] for axis in (view.x, view.y)])
    return float(found @ true) > 0.9 * float(np.linalg.norm(found) * np.linalg.norm(true))


def _names(page: ReadPage, layout: RandomLayout, view: View) -> dict[str, int]:
    """How many of the leads are at a place where the page has a lead, and how many of these have the right name."""
    names = right = 0
    for lead in page.leads.leads:
        middle = np.array([[(lead.left + lead.right) / 2, lead.baseline]]) * page.frame.pixels_per_mm
        x, y = page.in_picture(page.frame.in_picture(middle))[0]
        column, row = (int(np.clip(at, 0, len(view.x) - 1)) for at in (x, y))
        at = view.x[row, column], view.y[row, column]
        slots = [s for s in layout.slots if s.x <= at[0] < s.x + s.width and abs(s.baseline - at[1]) < layout.pitch / 2]
        if slots:
            names, right = names + 1, right + (slots[0].name == lead.name)
    return {"names": names, "names_right": right}


def _draw(picture: np.ndarray, page: ReadPage | None, path: Path) -> None:
    shown = picture[..., ::-1].copy()
    if page is not None:
        shown[page.mask > 0] = (0, 0, 230)
    cv2.imwrite(str(path), cv2.resize(shown, (SHEET, SHEET), interpolation=cv2.INTER_AREA))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", type=Path)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="seed, different from the training's (default 1)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="write each page with the found trace to this folder")
    args = parser.parse_args()
    if args.sheet:
        args.sheet.mkdir(parents=True, exist_ok=True)
    work = partial(evaluate, signals=args.signals, seed=args.seed, sheet=args.sheet)
    results = list(progress(ordered_map(work, range(args.pages), args.workers), "pages", args.pages))
    kinds = dict.fromkeys(kind for result in results for kind in result.kinds)
    print(f"{'kind':22} pages refused  lost leads  false ink  rows  scale  upright  names")
    for kind in kinds:
        own = [result for result in results if kind in result.kinds]
        read = [result for result in own if not result.refused]
        lost, leads = sum(r.lost for r in own), sum(r.leads for r in own)
        shares = [
            100 * float(np.mean([getattr(r, key) for r in read])) for key in ("rows_right", "scale_right", "upright")
        ]
        names = 100 * sum(r.names_right for r in read) / max(1, sum(r.names for r in read))
        false = 100 * np.mean([result.false_ink for result in read])
        print(
            f"{kind:22} {len(own):5} {len(own) - len(read):7}  {lost:4} of {leads:5} {false:8.1f}% "
            f"{shares[0]:5.0f}% {shares[1]:5.0f}% {shares[2]:7.0f}% {names:6.0f}%"
        )


if __name__ == "__main__":
    main()
