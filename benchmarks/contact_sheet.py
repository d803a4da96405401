"""Contact sheets: pages of every layout and class at every level of degradation, and the figure of docs/pages.md.

    python benchmarks/contact_sheet.py PTBXL_DIR OUTPUT_DIR [--seed 0] [--mask]

writes one sheet a layout (columns: superclasses, rows: none, scan, photo, harsh; the trace mask in red on request)
and ``levels.jpg``, one record at all levels.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))

from degraded import degraded_pages

from ecgpipe.config.degrade import LEVELS, DegradeConfig
from ecgpipe.config.render import LAYOUTS, RenderConfig

# a statement of SCP-ECG that is typical of each superclass
CLASSES = {"NORM": "NORM", "MI": "IMI", "STTC": "NDT", "CD": "CLBBB", "HYP": "LVH"}


def records_of_classes(ptbxl: Path) -> list[Path]:
    """One 500 Hz record of each superclass that is in the folder."""
    table = pd.read_csv(ptbxl / "ptbxl_database.csv")
    found = []
    for code in CLASSES.values():
        with_code = table[table["scp_codes"].str.contains(f"'{code}': 100")]["filename_hr"]
        there = [ptbxl / name for name in with_code if (ptbxl / f"{name}.hea").is_file()]
        if not there:
            sys.exit(f"{ptbxl}: no record of class {code} at 500 Hz")
        found.append(there[0])
    return found


def tile(image: np.ndarray, mask: np.ndarray | None, width: int) -> np.ndarray:
    """The page at ``width`` pixels, in BGR, with its true trace in red if a mask is given."""
    picture = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if mask is not None:
        picture[mask > 0] = (0, 0, 255)
    return cv2.resize(picture, (width, width * 3 // 4), interpolation=cv2.INTER_AREA)


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
        for level in LEVELS:
            config = RenderConfig(layout=layout, degrade=DegradeConfig(level=level, seed=args.seed))
            pages = degraded_pages(records, config)
            rows.append(np.hstack([tile(p.image, p.trace_mask if args.mask else None, args.width) for p in pages]))
        cv2.imwrite(str(args.output / f"{layout}.jpg"), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])
    four = []
    for level in LEVELS:
        config = RenderConfig(degrade=DegradeConfig(level=level, seed=args.seed))
        four += [tile(page.image, None, 600) for page in degraded_pages(records[1:2], config)]
    figure = np.vstack([np.hstack(four[:2]), np.hstack(four[2:])])
    cv2.imwrite(str(args.output / "levels.jpg"), figure, [cv2.IMWRITE_JPEG_QUALITY, 60])


if __name__ == "__main__":
    main()
