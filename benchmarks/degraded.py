"""Degraded pages with their true traces, to evaluate preprocessing.

    python -m benchmarks.degraded FOLDER OUTPUT [--level photo] [--layout kit] [--count 8]

Writes the page and the true trace of WFDB records below FOLDER as PNG files.
"""

import argparse
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.page import Page, render_page


class Degraded(NamedTuple):
    """A decoded page, uint8 (H, W, 3) RGB, and its true trace, uint8 (H, W) of 0 and 1."""

    record_id: str
    image: np.ndarray
    trace_mask: np.ndarray
    page: Page | DegradedPage


def degraded_pages(records: Iterable[Path | str], config: RenderConfig) -> Iterator[Degraded]:
    """The degraded page of each WFDB record (path without suffix), decoded from its PNG or JPEG file."""
    for path in map(Path, records):
        signal, rate = read_signal(path, path.name)
        page = degrade_page(render_page(signal, rate, config), config.degrade, path.name)
        with Image.open(io.BytesIO(page.encode())) as file:
            image = np.asarray(file.convert("RGB"))
        yield Degraded(path.name, image, page.trace_mask, page)


def main() -> None:
    parser = argparse.ArgumentParser(description="Degraded pages and their true traces")
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--level", default="photo")
    parser.add_argument("--layout", default="kit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=8)
    args = parser.parse_args()
    records = [path.with_suffix("") for path in sorted(args.folder.rglob("*.hea"))][: args.count]
    config = RenderConfig(layout=args.layout, degrade=DegradeConfig(level=args.level, seed=args.seed))
    args.output.mkdir(parents=True, exist_ok=True)
    for record_id, image, mask, _ in degraded_pages(records, config):
        cv2.imwrite(str(args.output / f"{record_id}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(args.output / f"{record_id}-trace.png"), mask * 255)


if __name__ == "__main__":
    main()
