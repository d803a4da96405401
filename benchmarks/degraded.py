"""Degraded pages with their true traces, to evaluate preprocessing.

    python -m benchmarks.degraded FOLDER OUTPUT [--level photo] [--layout kit] [--count 8] [--signals]

Writes the page and the true trace of WFDB records below FOLDER as PNG files; with ``--signals``, the signals
that the page shows (NAME.npy, for ``benchmarks.digitize``) instead of the trace.
"""

import argparse
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.page import Page, render_page

NOT_SHOWN = -32768
"""Value of samples that the page does not show."""


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


def shown_signal(record: Path, page: Page | DegradedPage) -> np.ndarray:
    """int16 (samples, 12), microvolts of the leads in the usual order; -32768 where the page does not show them."""
    signal, _ = read_signal(record, record.name)
    shown = np.full(signal.shape, NOT_SHOWN, np.int16)
    for lead in page.leads:
        part = np.s_[LEADS.index(lead.name.upper()), lead.start_sample : lead.end_sample]
        if (shown[part[0]] == NOT_SHOWN).all():  # a strip repeats a lead
            shown[part] = np.rint(signal[part] * 1000)
    return shown.T


def main() -> None:
    parser = argparse.ArgumentParser(description="Degraded pages and their true traces")
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--level", default="photo")
    parser.add_argument("--layout", default="kit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--signals", action="store_true")
    args = parser.parse_args()
    records = [path.with_suffix("") for path in sorted(args.folder.rglob("*.hea"))][: args.count]
    config = RenderConfig(layout=args.layout, degrade=DegradeConfig(level=args.level, seed=args.seed))
    args.output.mkdir(parents=True, exist_ok=True)
    for record, (record_id, image, mask, page) in zip(records, degraded_pages(records, config), strict=True):
        cv2.imwrite(str(args.output / f"{record_id}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if args.signals:
            np.save(args.output / f"{record_id}.npy", shown_signal(record, page))
        else:
            cv2.imwrite(str(args.output / f"{record_id}-trace.png"), mask * 255)


if __name__ == "__main__":
    main()
