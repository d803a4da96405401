"""How much of the trace preprocessing keeps, and how much other ink: the table of docs/evidence.md.

    python -m benchmarks.trace_keeping FOLDER [--records 100:150] [--seed 1] [--layout kit ...] [--level photo ...]
        [--variant reader ...] [--workers 2] [--worst OUTPUT_DIR] [--json FILE]

Renders the WFDB records below FOLDER, degrades the pages, decodes them from their files, preprocesses them and compares
them with the true trace, mapped by the exact transform of the degradation and by the estimated homography, and scaled
to the size of the image.

Dice, lost and false have a tolerance of 1 pixel: ``lost`` is the fraction of true pixels without ink, ``false`` the
fraction of ink without a true pixel. ``rotation`` is the rotation that remains after preprocessing, ``offset`` the
median distance in millimetres between samples in the result and on the clean page. Confidence intervals: 95%,
percentile bootstrap over pages.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.degraded import Degraded, degraded_pages
from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.config.pages import DEGRADE_LEVELS, LAYOUTS, DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.apply import crop_edges, prepare
from ecgpipe.preprocess.canvas import CANVAS, shrink
from ecgpipe.progress import progress
from ecgpipe.workers import ordered_map

NEAR = np.ones((3, 3), np.uint8)
FIGURES = ("dice", "lost", "false", "rotation", "offset")


def agreement(truth: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Dice, lost and false of two binary images."""
    met, right = int((truth & cv2.dilate(image, NEAR)).sum()), int((image & cv2.dilate(truth, NEAR)).sum())
    true, ink = int(truth.sum()), int(image.sum())
    return {
        "dice": (met + right) / max(1, true + ink),
        "lost": 1 - met / max(1, true),
        "false": 1 - right / max(1, ink),
    }


def true_image(page: Degraded, config: PreprocessConfig, transform: PageTransform | None) -> np.ndarray:
    """The true trace in the result of a perfect preprocessing."""
    cover = page.trace_mask * np.uint8(255)
    if transform is not None:
        side = 2 * config.size
        cover = transform.seen_from_image(cover, side, side)
    elif config.variant == "paper":
        cover = crop_edges(cover, config.crop)
    return shrink(cover, config.size, config.coverage)


def upright(page: Degraded, transform: PageTransform | None) -> dict[str, float]:
    """Remaining rotation of the rows, and how far samples are from their place after the best shift and scale, mm.

    A reference without a page's edges has no absolute position, so a common shift is not an error.
    """
    flat = getattr(page.page, "flat", page.page)
    turns, moved, clean = [], [], []
    for before, here in zip(flat.leads, page.page.leads, strict=True):
        place = here.pixels / page.image.shape[1::-1]
        place = (transform.to_image(place) if transform else place) * (CANVAS if transform else flat.shape[::-1])
        moved.append(place)
        clean.append(before.pixels / flat.dpi * 25.4)
        (x0, y0), (x1, y1) = before.pixels[-1] - before.pixels[0], place[-1] - place[0]
        turns.append(np.rad2deg(np.arctan2(y1, x1) - np.arctan2(y0, x0)))
    moved, clean = np.concatenate(moved), np.concatenate(clean)
    scaled = [np.polyval(np.polyfit(moved[:, axis], clean[:, axis], 1), moved[:, axis]) for axis in (0, 1)]
    away = np.hypot(*(np.stack(scaled, axis=1) - clean).T)
    return {"rotation": float(abs(np.median(turns))), "offset": float(np.median(away))}


def measure(record: Path, render: RenderConfig, configs: list[PreprocessConfig]) -> list[dict]:
    """Evaluate one record's page with each preprocessing configuration."""
    (page,) = degraded_pages([record], render)
    rows = []
    for config in configs:
        try:
            image, transform, _ = prepare(page.image, config)
            truth = true_image(page, config, transform)
        except DataError:
            transform, truth = None, true_image(page, config, None)
            image = np.zeros_like(truth)
        rows.append({"record": record.name, "variant": config.variant, **agreement(truth, image)})
        rows[-1] |= upright(page, transform)
    return rows


def pictures(row: dict, record: Path, render: RenderConfig, config: PreprocessConfig, folder: Path) -> None:
    """The page, and its image in grey with lost trace in red and false ink in blue, side by side."""
    (page,) = degraded_pages([record], render)
    image, transform, _ = prepare(page.image, config)
    truth = true_image(page, config, transform)
    picture = np.full((config.size, config.size, 3), 255, np.uint8)
    picture[(image > 0)] = (150, 150, 150)
    picture[(image > 0) & (cv2.dilate(truth, NEAR) == 0)] = (255, 0, 0)
    picture[(truth > 0) & (cv2.dilate(image, NEAR) == 0)] = (0, 0, 255)
    size = round(page.image.shape[1] * config.size / page.image.shape[0]), config.size
    parts = [cv2.resize(page.image[:, :, ::-1], size, interpolation=cv2.INTER_AREA)]
    parts.append(cv2.resize(picture, None, fx=1.5, fy=1, interpolation=cv2.INTER_NEAREST))
    name = f"{row['dice']:.3f}-{render.layout}-{render.degrade.level}-{record.name}.png"
    cv2.imwrite(str(folder / name), np.hstack(parts))


def interval(values: np.ndarray) -> tuple[float, float]:
    means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description="Lost trace and false ink per variant, layout and level")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", default="0:20", help="range of records, START:STOP in order of their names")
    parser.add_argument("--seed", type=int, default=0, help="seed of the degradations")
    parser.add_argument("--layout", nargs="+", default=["kit", "cardiac-images"], choices=LAYOUTS)
    parser.add_argument("--level", nargs="+", default=list(DEGRADE_LEVELS), choices=DEGRADE_LEVELS)
    parser.add_argument("--variant", nargs="+", default=["reader", "paper"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--worst", type=Path, help="write pictures of the worst pages here")
    parser.add_argument("--count", type=int, default=3, help="number of worst pages of each kind")
    parser.add_argument("--json", type=Path, help="write the figures of every page here")
    args = parser.parse_args()
    start, stop = (int(part) if part else None for part in args.records.split(":"))
    records = [path.with_suffix("") for path in sorted(args.folder.rglob("*_hr.hea"))][start:stop]
    if not records:
        sys.exit(f"{args.folder}: no records {args.records} (*_hr.hea)")
    configs = [PreprocessConfig(variant=variant) for variant in args.variant]
    everything = []
    print(f"{len(records)} records, {records[0].name} to {records[-1].name}, seed {args.seed}\n")
    print("| layout | level | variant | Dice (95%) | worst | lost | false | rotation, degrees | offset, mm |")
    print("| --- " * 9 + "|", flush=True)
    cv2.setNumThreads(1)
    for layout in args.layout:
        for level in args.level:
            render = RenderConfig(layout=layout, degrade=DegradeConfig(level=level, seed=args.seed))
            each = ordered_map(partial(measure, render=render, configs=configs), records, args.workers)
            rows = [row for rows in progress(each, f"{layout} {level}", len(records), "pages") for row in rows]
            everything += [{"layout": layout, "level": level, **row} for row in rows]
            for config in configs:
                own = [row for row in rows if row["variant"] == config.variant]
                values = {key: np.array([row[key] for row in own]) for key in FIGURES}
                low, high = interval(values["dice"])
                mean = {key: value.mean() for key, value in values.items()}
                rotation, offset = (f"{np.median(values[key]):.2f}" for key in ("rotation", "offset"))
                print(
                    f"| {layout} | {level} | {config.variant} | {mean['dice']:.4f} ({low:.4f}-{high:.4f}) | "
                    f"{values['dice'].min():.4f} | {mean['lost']:.4f} | {mean['false']:.4f} | {rotation} | {offset} |",
                    flush=True,
                )
                if args.worst:
                    args.worst.mkdir(parents=True, exist_ok=True)
                    for row in sorted(own, key=lambda row: row["dice"])[: args.count]:
                        record = next(path for path in records if path.name == row["record"])
                        pictures(row, record, render, config, args.worst)
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
