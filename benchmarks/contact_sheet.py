"""Contact sheets: pages and images of every layout and class at every level, and the figures of docs/pages.md.

    python -m benchmarks.contact_sheet PTBXL_DIR OUTPUT_DIR [--seed 0] [--mask]

Writes one sheet per layout (columns: superclasses; rows: none, scan, photo, harsh; page above model input), levels.jpg
(one record at all levels) and settings.jpg (one record with several paper speeds, gains, resolutions and layouts).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.degraded import degraded_pages
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import DEGRADE_LEVELS, LAYOUTS, DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.apply import preprocess
from ecgpipe.render.page import render_page

# a typical SCP-ECG statement of each superclass
CLASSES = {"NORM": "NORM", "MI": "IMI", "STTC": "NDT", "CD": "CLBBB", "HYP": "LVH"}


def records_of_classes(ptbxl: Path) -> list[Path]:
    """One 500 Hz record of each superclass."""
    table = pd.read_csv(ptbxl / "ptbxl_database.csv")
    found = []
    for code in CLASSES.values():
        with_code = table[table["scp_codes"].str.contains(f"'{code}': 100")]["filename_hr"]
        available = [ptbxl / name for name in with_code if (ptbxl / f"{name}.hea").is_file()]
        if not available:
            sys.exit(f"{ptbxl}: no record of class {code} at 500 Hz")
        found.append(available[0])
    return found


def tile(image: np.ndarray, mask: np.ndarray | None, width: int) -> np.ndarray:
    """The page at ``width`` pixels, in BGR, with its true trace in red if a mask is given."""
    picture = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if mask is not None:
        picture[mask > 0] = (0, 0, 255)
    return cv2.resize(picture, (width, width * 3 // 4), interpolation=cv2.INTER_AREA)


def with_image(image: np.ndarray, mask: np.ndarray | None, width: int) -> np.ndarray:
    """The page at ``width`` pixels above its preprocessed image."""
    try:
        ink = preprocess(image, PreprocessConfig())
    except DataError:
        ink = np.zeros((640, 640), np.uint8)
    return np.vstack([tile(image, mask, width), tile(np.repeat((1 - ink[:, :, None]) * 255, 3, axis=2), None, width)])


USER_LAYOUT = {
    "name": "user",
    "width": 200,
    "height": 80,
    "slots": [
        {
            "lead": lead,
            "x": 20,
            "baseline": y,
            "width": 150,
            "name": {"x": 20, "y": y - 10, "text": lead},
            "pulse": {"x": 12},
        }
        for lead, y in (("II", 30), ("V1", 60))
    ],
    "texts": [{"x": 20, "y": 75, "text": "{speed} mm/s  {gain} mm/mV", "size": 9}],
}
SETTINGS = (
    {"paper_speed": 50},
    {"gain": 5},
    {"gain": 20},
    {"dpi": 100},
    {"dpi": 300},
    {"layout": "6x2", "paper_speed": 50},
    {"layout": "12x1", "gain": 5},
    {"layout": "cardiac-images", "dpi": 300, "gain": 20},
)


def settings_sheet(record: Path, width: int) -> np.ndarray:
    """The record's page and image with each of ``SETTINGS`` and in ``USER_LAYOUT``, in three columns."""
    signal, rate = read_signal(record, record.name)
    with tempfile.TemporaryDirectory() as folder:
        user = Path(folder, "user.json")
        user.write_text(json.dumps(USER_LAYOUT))
        tiles = []
        for settings in (*SETTINGS, {"layout": str(user)}):
            picture = with_image(render_page(signal, rate, RenderConfig(**settings)).image, None, width)
            words = ", ".join(f"{key} {Path(str(value)).name}" for key, value in settings.items())
            cv2.putText(picture, words, (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (200, 60, 0), 1, cv2.LINE_AA)
            tiles.append(picture)
    return np.vstack([np.hstack(tiles[start : start + 3]) for start in range(0, 9, 3)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Contact sheets of degraded pages")
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--mask", action="store_true", help="paint the true trace red")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    records = records_of_classes(args.ptbxl)
    for layout in LAYOUTS:
        rows = []
        for level in DEGRADE_LEVELS:
            config = RenderConfig(layout=layout, degrade=DegradeConfig(level=level, seed=args.seed))
            pages = degraded_pages(records, config)
            rows.append(
                np.hstack([with_image(p.image, p.trace_mask if args.mask else None, args.width) for p in pages])
            )
        cv2.imwrite(str(args.output / f"{layout}.jpg"), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])
    cv2.imwrite(str(args.output / "settings.jpg"), settings_sheet(records[0], args.width))
    four = []
    for level in DEGRADE_LEVELS:
        config = RenderConfig(degrade=DegradeConfig(level=level, seed=args.seed))
        four += [tile(page.image, None, 600) for page in degraded_pages(records[1:2], config)]
    figure = np.vstack([np.hstack(four[:2]), np.hstack(four[2:])])
    cv2.imwrite(str(args.output / "levels.jpg"), figure, [cv2.IMWRITE_JPEG_QUALITY, 60])


if __name__ == "__main__":
    main()
