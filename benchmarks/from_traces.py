"""What ``preprocess.from_traces`` changes: images of traces alone, against those by way of the page and the true trace.

    python benchmarks/from_traces.py PTBXL_DIR [--count 100] [--layouts kit cardiac-images 6x2 12x1]

For each layout, over the first records at 500 Hz: Dice at 1 pixel tolerance of the two images, the share of pixels that
differ, and Dice, lost and false shares of each with the true trace scaled the same way. Markdown.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import LAYOUTS, PreprocessConfig, RenderConfig
from ecgpipe.preprocess.apply import preprocess_palette
from ecgpipe.preprocess.trace import scaled_traces, shrink
from ecgpipe.progress import progress
from ecgpipe.render.page import render_page, render_trace_coverage

KERNEL = np.ones((3, 3), np.uint8)


def beyond(image: np.ndarray, other: np.ndarray) -> float:
    """Share of an image's ink that is more than a pixel away from all ink of another."""
    return float((image & ~cv2.dilate(other, KERNEL) & 1).sum() / image.sum())


def dice(image: np.ndarray, other: np.ndarray) -> float:
    """Dice at 1 pixel tolerance."""
    near = image.sum() * (1 - beyond(image, other)) + other.sum() * (1 - beyond(other, image))
    return float(near / (image.sum() + other.sum()))


def compare(record: Path, layout: str, config: PreprocessConfig) -> list[float]:
    """The figures of one record, in the order of the table's columns."""
    signal, rate = read_signal(record, record.name)
    render = RenderConfig(layout=layout)
    page = render_page(signal, rate, render)
    by_page = preprocess_palette(page.indices, page.palette, config)
    traces = scaled_traces(render_trace_coverage(signal, rate, render), config)
    true = shrink(page.trace_mask * 255, config.size, config.coverage)
    figures = [dice(by_page, traces), float((by_page != traces).mean())]
    for image in (by_page, traces):
        figures += [dice(image, true), beyond(true, image), beyond(image, true)]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Images of traces alone against images by way of the page")
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--layouts", nargs="+", default=LAYOUTS)
    args = parser.parse_args()
    records = [path.with_suffix("") for path in sorted((args.ptbxl / "records500").rglob("*.hea"))][: args.count]
    if not records:
        sys.exit(f"{args.ptbxl}: no records at 500 Hz")
    cv2.setNumThreads(1)
    print(f"{len(records)} records, mean (worst)\n")
    print("| layout | both, Dice | pixels that differ | page: Dice | lost | false | traces: Dice | lost | false |")
    print("| --- |" + " --- |" * 8)
    for layout in args.layouts:
        table = np.array(
            [compare(record, layout, PreprocessConfig()) for record in progress(records, layout, unit="records")]
        )
        cells = [
            f"{column.mean():.4f} ({column.min() if number in (0, 2, 5) else column.max():.4f})"
            for number, column in enumerate(table.T)
        ]
        print(f"| `{layout}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
