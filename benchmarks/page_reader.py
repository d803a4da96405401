"""How much of the traces the page reader finds on pages with known plotted points.

    python -m benchmarks.page_reader FOLDER [--weights reader.safetensors] [--masks OUT]
    python -m benchmarks.page_reader --without-ecg 200 [--masks OUT]

FOLDER contains pairs of NAME.jpg (or .png) and NAME.npz, which has one array (n, 2) of plotted points (x, y) per lead,
in pixels.
A lead is lost if less than half of its points have trace within 1 mm. False ink is the share of the mask that is
farther than 1 mm from every point. 1 mm is 1/250 of the picture's longer side, about its size on a full page.
With ``--without-ecg`` it reads random pictures without an ECG (other_pictures.py) and counts those that it takes for
one, and the rows of traces that it finds on them.
"""

import argparse
import time
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from benchmarks.other_pictures import draw_other_picture
from ecgpipe.config.pages import READER_WEIGHTS
from ecgpipe.errors import DataError
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.page import understand_page
from ecgpipe.reader.read import load_reader


def score(mask: np.ndarray, leads: list[np.ndarray]) -> tuple[list[float], float]:
    """Share of each lead's points that the mask keeps, and the share of the mask that is far from all points."""
    reach = max(mask.shape) / 250
    near_mask = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5) <= reach
    plotted = np.ones(mask.shape, np.uint8)
    kept = []
    for points in leads:
        columns, rows = np.rint(points.T).astype(int)
        inside = (columns >= 0) & (rows >= 0) & (columns < mask.shape[1]) & (rows < mask.shape[0])
        columns, rows = columns[inside], rows[inside]
        line = np.stack([columns, rows], axis=1)[:, None].astype(np.int32)
        cv2.polylines(plotted, [line], False, 0, 1)
        kept.append(float(near_mask[rows, columns].mean()) if len(rows) else float("nan"))
    far = cv2.distanceTransform(plotted, cv2.DIST_L2, 5) > reach
    return kept, float((far & (mask > 0)).sum() / max(1, (mask > 0).sum()))


def measure_without_ecg(count: int, net: ReaderNet, masks: Path | None) -> None:
    """Print how many random pictures of each kind are taken for an ECG, and the rows of traces found on them."""
    taken: dict[str, list[int]] = {}
    for seed in range(count):
        kind, picture = draw_other_picture(seed)
        try:
            page = understand_page(picture, net)
        except DataError:
            taken.setdefault(kind, []).append(0)
            continue
        taken.setdefault(kind, []).append(len(page.leads.rows))
        grid = "grid" if page.reading.grid_found else "no grid"
        print(f"{kind}, seed {seed}: {page.leads.layout}, {len(page.reading.names)} names, {grid}")
        if masks:
            masks.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(masks / f"{kind}-{seed}.png"), page.mask)
            cv2.imwrite(str(masks / f"{kind}-{seed}-picture.png"), picture[..., ::-1])
    for kind, rows in (*taken.items(), ("all", list(chain.from_iterable(taken.values())))):
        print(
            f"{kind:8} {len(rows):4} pictures, {sum(map(bool, rows)):2} taken for an ECG, {sum(rows):3} rows of traces"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--without-ecg", type=int, metavar="N", help="read N random pictures without an ECG instead")
    parser.add_argument("--weights", type=Path, default=READER_WEIGHTS, help="default: the package's")
    parser.add_argument("--masks", type=Path, help="write the masks to this folder")
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.without_ecg is None):
        parser.error("give a folder, or --without-ecg N")
    net = load_reader(arguments.weights)
    if arguments.folder is None:
        return measure_without_ecg(arguments.without_ecg, net, arguments.masks)
    totals: dict[str, list[tuple[int, int, float]]] = {}
    for file in sorted(arguments.folder.glob("*.npz")):
        picture = cv2.imread(str(next(p for p in file.parent.glob(f"{file.stem}.*") if p.suffix in (".jpg", ".png"))))
        start = time.process_time()
        try:
            mask = understand_page(np.ascontiguousarray(picture[..., ::-1]), net).mask
        except DataError:
            mask = np.zeros(picture.shape[:2], np.uint8)
        seconds = time.process_time() - start
        with np.load(file) as arrays:
            kept, false_ink = score(mask, [arrays[name] for name in arrays.files])
        lost = sum(share < 0.5 for share in kept)
        totals.setdefault(file.stem.partition("-")[0], []).append((lost, len(kept), false_ink))
        print(f"{file.stem:24} kept {np.nanmean(kept):.3f}  lost {lost:2d}  false ink {false_ink:.3f}  {seconds:.2f} s")
        if arguments.masks:
            arguments.masks.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(arguments.masks / f"{file.stem}.png"), mask)
    for kind, rows in totals.items():
        lost, leads, false_ink = (np.array(column) for column in zip(*rows, strict=True))
        print(f"{kind}: {len(rows)} pages, lost {lost.sum()} of {leads.sum()} leads, false ink {false_ink.mean():.3f}")


if __name__ == "__main__":
    main()
