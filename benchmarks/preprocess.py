"""The speed of preprocessing, on one core and on two; results and method: docs/performance.md.

ecgpipe bench preprocess [--record RECORD] [--repetitions N] [--json]
"""

import argparse
import tempfile
import zlib
from pathlib import Path

import cv2
import pandas as pd

from benchmarks.render import Candidates, compare, read_benchmark_signal, write_record
from benchmarks.timing import Report
from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.imaging.shard import make_images
from ecgpipe.preprocess.apply import prepare_traces, preprocess, preprocess_file
from ecgpipe.render.page import render_page, render_trace_coverage

TARGETS = {
    "PNG file to image": 1.5,
    "signal to image": 60.0,
    "WFDB files to image": 60.0,
}


def run(args: argparse.Namespace) -> Report:
    """Time the ways from a signal or page to the image that models read."""
    signal, rate = read_benchmark_signal(args.record)
    render, config, paper = RenderConfig(), PreprocessConfig(), PreprocessConfig(variant="paper")
    page = render_page(signal, rate, render)
    png, rgb = page.encode(), page.image
    deflated = zlib.compress(page.indices, 3)

    with tempfile.TemporaryDirectory() as folder:
        record = write_record(Path(folder), signal, rate)
        candidates: Candidates = {
            "PNG file to image": lambda: preprocess_file(png, "page", config),
            "RGB page to image": lambda: preprocess(rgb, config),
            "RGB page to image, variant paper": lambda: preprocess(rgb, paper),
            "signal to image": lambda: prepare_traces(render_trace_coverage(signal, rate, render), render.dpi, config),
            "WFDB files to image": lambda: prepare_traces(
                render_trace_coverage(*read_signal(record, "bench"), render), render.dpi, config
            ),
            "lower bound of a file: inflate": lambda: zlib.decompress(deflated, bufsize=page.indices.size),
            "lower bound of a page: one pass over it": lambda: cv2.threshold(page.indices, 128, 255, cv2.THRESH_BINARY),
        }
        title = "Preprocessing, one core"
        return compare(title, candidates, TARGETS, _preprocess_shard, signal, rate, args.repetitions, [])


def _preprocess_shard(folder: Path, _records: pd.DataFrame, _rate: float, workers: int) -> None:
    files = [folder / f"{workers}{end}" for end in (".npy", ".index.parquet", ".problems.parquet")]
    make_images(StoredPages([folder / "pages"]), PreprocessConfig(), *files, title="bench", workers=workers)
