"""Differences between our pages and ECG-Image-Kit's for the same records.

    python -m benchmarks.fidelity KIT_PAGES_DIR PTBXL_DIR [--json]

KIT_PAGES_DIR contains NAME-0.png and NAME-0.json (written with --store_config 2), PTBXL_DIR the records in PhysioNet's
layout. Pages without a record are skipped and listed.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import EcgpipeError
from ecgpipe.render.page import render_page

TARGETS = {
    "sample_max": (1.0, "below"),
    "sample_median": (0.3, "below"),
    "lead_iou_min": (0.95, "above"),
    "text_iou_min": (0.5, "above"),
    "grid_within_1px": (0.99, "above"),
    "ink_dice_1px": (0.98, "above"),
}
SHOWN = (*TARGETS, "paper_differs", "ink_area")
EMPTY = np.s_[3:550, 3:-3]
"""A part of the page with only paper and grid."""


def iou(a: dict, b: dict) -> float:
    """Intersection over union of two upright boxes in the kit's corners."""
    (ay0, ax0), (ay1, ax1), (by0, bx0), (by1, bx1) = a["0"], a["2"], b["0"], b["2"]
    common = max(0, min(ay1, by1) - max(ay0, by0)) * max(0, min(ax1, bx1) - max(ax0, bx0))
    return common / ((ay1 - ay0) * (ax1 - ax0) + (by1 - by0) * (bx1 - bx0) - common)


def grid_lines(image: np.ndarray, axis: int) -> np.ndarray:
    """Positions of the grid lines along an axis, in a part of the page without ink: peaks of the mean density."""
    density = 255.0 - image[5:550, 5:-5, 1].mean(axis=axis)
    inner = density[1:-1]
    return np.flatnonzero((inner > density.mean()) & (inner >= density[:-2]) & (inner > density[2:])) + 1


def within(a: np.ndarray, b: np.ndarray, limit: float = 1) -> float:
    """Fraction of positions a with a position of b within ``limit``."""
    return float((np.abs(a[:, None] - b[None, :]).min(axis=1) <= limit).mean()) if len(a) and len(b) else 0.0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of two masks (uint8) with a tolerance of 1 pixel."""
    kernel = np.ones((3, 3), np.uint8)
    return float(((a & cv2.dilate(b, kernel)).sum() + (b & cv2.dilate(a, kernel)).sum()) / (a.sum() + b.sum()))


def compare(path: Path, ptbxl: Path) -> dict:
    """Compare one page of the kit with ours."""
    kit = json.loads(path.read_text())
    kit_page = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_COLOR_RGB)
    name = path.stem.rsplit("-", 1)[0]
    folder = f"records{100 if name.endswith('_lr') else 500}/{int(name[:5]) // 1000 * 1000:05d}"
    signal, rate = read_signal(ptbxl / folder / name, name)
    page = render_page(signal, rate, RenderConfig())
    ours = {(e["lead_name"], e["start_sample"], e["end_sample"]): e for e in page.boxes(plotted_pixels=True)["leads"]}
    away, leads, texts = [], [], []
    for lead in kit["leads"]:
        mine = ours[lead["lead_name"], lead["start_sample"], lead["end_sample"]]
        difference = np.array(mine["plotted_pixels"]) - np.array(lead["plotted_pixels"])
        away.append(np.hypot(difference[:, 0], difference[:, 1]))
        leads.append(iou(mine["lead_bounding_box"], lead["lead_bounding_box"]))
        texts.append(iou(mine["text_bounding_box"], lead["text_bounding_box"]))
    away = np.concatenate(away)
    grid = [within(grid_lines(kit_page, axis), grid_lines(page.image, axis)) for axis in (0, 1)]
    grid += [within(grid_lines(page.image, axis), grid_lines(kit_page, axis)) for axis in (0, 1)]
    ink = [(image[:, 130:2150].max(axis=2) < 128).astype(np.uint8) for image in (kit_page, page.image)]
    paper = np.abs(kit_page[EMPTY].astype(int) - page.image[EMPTY]).max(axis=2)
    return {
        "page": path.stem,
        "same_size": kit_page.shape == page.image.shape,
        "sample_max": float(away.max()),
        "sample_median": float(np.median(away)),
        "lead_iou_min": min(leads),
        "text_iou_min": min(texts),
        "grid_within_1px": min(grid),
        "ink_dice_1px": dice(*ink),
        "paper_differs": float((paper > 3).mean()),
        "ink_area": float(ink[1].sum() / ink[0].sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Differences between our pages and ECG-Image-Kit's")
    parser.add_argument("kit_pages", type=Path)
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("--json", action="store_true", help="JSON instead of Markdown")
    args = parser.parse_args()
    rows = []
    for path in sorted(args.kit_pages.glob("*.json")):
        try:
            rows.append(compare(path, args.ptbxl))
        except EcgpipeError as error:
            print(f"{path.stem}: skipped ({error})", file=sys.stderr)
    if not rows:
        sys.exit(f"{args.kit_pages}, {args.ptbxl}: no page has a record")
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print("| page | size | " + " | ".join(SHOWN) + " |\n| --- |" + " --- |" * (len(SHOWN) + 1))
    for row in rows:
        size = "same" if row["same_size"] else "differs"
        print(f"| {row['page']} | {size} | " + " | ".join(f"{row[key]:.4f}" for key in SHOWN) + " |")
    for name, of in (("lowest", min), ("highest", max)):
        print(f"| {name} | | " + " | ".join(f"{of(row[key] for row in rows):.4f}" for key in SHOWN) + " |")
    print("| target | | " + " | ".join(f"{side} {value:g}" for value, side in TARGETS.values()) + " | | |")


if __name__ == "__main__":
    main()
