"""The speed of rendering and of preprocessing, on one core and on two."""

import os
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import wfdb

from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.bench.references import ecg_plot_page, matplotlib_page
from ecgpipe.bench.timing import Ratio, Report, Timing, interleaved, machine
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.imaging.shard import make_images
from ecgpipe.preprocess.apply import preprocess, preprocess_file, preprocess_palette
from ecgpipe.preprocess.trace import scaled_traces
from ecgpipe.render.page import render_page, render_trace_coverage
from ecgpipe.render.shard import render_shard

MATPLOTLIB, COLLECTIONS, ECG_PLOT = "matplotlib page", "matplotlib page, grid as collections", "ecg-plot page"
TARGETS = {
    "drawn": 50.0,
    "drawn and written as PNG": 25.0,
    "PNG file to image": 20.0,
    "signal to image by way of a page, no file": 60.0,
    "signal to image, traces alone": 60.0,
    "WFDB files to image, traces alone": 60.0,
}
TWO_PROCESSES = 1.8
SHARD = 240  # pages

Contestants = dict[str, Callable[[], object]]


def bench_render(signal: np.ndarray, sampling_rate: float, repetitions: int) -> Report:
    """Drawing and writing the kit's page of a signal, (12, samples) in mV."""
    config = RenderConfig()
    page = render_page(signal, sampling_rate, config)
    written = page.encode()
    contestants: Contestants = {
        "drawn": lambda: render_page(signal, sampling_rate, config),
        "drawn and written as PNG": lambda: render_page(signal, sampling_rate, config).encode(),
        "floor of drawing: one copy of the page": page.indices.copy,
        "floor of writing: deflate, fastest level": lambda: zlib.compress(page.indices, 1),
    }
    notes = [f"the page: {page.indices.shape[1]} x {page.indices.shape[0]}, {len(written)} bytes as PNG"]
    return _report("Rendering, one core", contestants, signal, sampling_rate, repetitions, notes, _render_twice)


def bench_preprocess(signal: np.ndarray, sampling_rate: float, repetitions: int) -> Report:
    """From the kit's page of a signal, (12, samples) in mV, to the image that models see."""
    render, config = RenderConfig(), PreprocessConfig()
    page = render_page(signal, sampling_rate, render)
    data, rgb = page.encode(), page.image
    paper = PreprocessConfig(variant="paper")

    def straight() -> np.ndarray:
        drawn = render_page(signal, sampling_rate, render)
        return preprocess_palette(drawn.indices, drawn.palette, config)

    def traces() -> np.ndarray:
        return scaled_traces(render_trace_coverage(signal, sampling_rate, render), config)

    if not np.array_equal(straight(), preprocess_file(data, "page", config)):
        raise AssertionError("the way without a file gives another image")
    deflated = zlib.compress(page.indices, 3)
    contestants: Contestants = {
        "PNG file to image": lambda: preprocess_file(data, "page", config),
        "palette page to image": lambda: preprocess_palette(page.indices, page.palette, config),
        "RGB page to image": lambda: preprocess(rgb, config),
        "RGB page to image, variant paper": lambda: preprocess(rgb, paper),
        "signal to image by way of a page, no file": straight,
        "signal to image, traces alone": traces,
        "floor of a file: inflate": lambda: zlib.decompress(deflated, bufsize=page.indices.size),
        "floor of a page: one pass over it": lambda: cv2.threshold(page.indices, 128, 255, cv2.THRESH_BINARY),
    }
    with tempfile.TemporaryDirectory() as folder:
        record = _write_record(Path(folder), signal, sampling_rate)

        def read_and_draw() -> np.ndarray:
            return scaled_traces(render_trace_coverage(*read_signal(record, "bench"), render), config)

        contestants["WFDB files to image, traces alone"] = read_and_draw
        title = "Preprocessing, one core"
        return _report(title, contestants, signal, sampling_rate, repetitions, [], _preprocess_twice)


def _report(
    title: str,
    contestants: Contestants,
    signal: np.ndarray,
    sampling_rate: float,
    repetitions: int,
    notes: list[str],
    shard: Callable[[Path, pd.DataFrame, float, int], None],
) -> Report:
    """Times the contestants beside the references, and a shard in one and in two processes."""
    cv2.setNumThreads(1)
    config = RenderConfig()
    references: Contestants = {
        MATPLOTLIB: lambda: matplotlib_page(signal, sampling_rate, config),
        COLLECTIONS: lambda: matplotlib_page(signal, sampling_rate, config, ticks=False),
    }
    size = render_page(signal, sampling_rate, config).indices.shape[::-1]
    try:
        ecg_plot_page(signal, sampling_rate, size, config.dpi)
        references[ECG_PLOT] = lambda: ecg_plot_page(signal, sampling_rate, size, config.dpi)
    except ImportError as error:
        notes.append(f"without ecg-plot: {error}")
    timings = interleaved(references | contestants, repetitions, time.process_time)
    ratios = [
        Ratio(name, reference, timings[reference].least / timings[name].least, TARGETS[name] if compared else None)
        for reference, compared in ((MATPLOTLIB, True), (ECG_PLOT, True), (COLLECTIONS, False))
        if reference in timings
        for name in contestants
        if name in TARGETS
    ]
    one, two = (f"a page of a shard of {SHARD}, {number}" for number in ("one process", "two processes"))
    shards = _shards(signal, sampling_rate, max(2, repetitions // 3), shard, time.perf_counter)
    timings |= dict(zip((one, two), shards, strict=True))
    ratios.append(Ratio("two processes", "one", timings[one].least / timings[two].least, TWO_PROCESSES))
    alone, together = _shards(signal, sampling_rate, 1, shard, _processor_seconds)
    notes.append(
        f"processor time of a page of a shard: {alone.least:.1f} ms in one process, {together.least:.1f} in two; two "
        f"idle cores would be {2 * alone.least / together.least:.2f} times as fast, if both worked throughout"
    )
    return Report(title, timings, ratios, notes, machine())


def _processor_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _shards(
    signal: np.ndarray,
    sampling_rate: float,
    repetitions: int,
    run: Callable[[Path, pd.DataFrame, float, int], None],
    clock: Callable[[], float],
) -> list[Timing]:
    """Milliseconds a page of a shard in one and in two processes, files and all."""
    records = pd.DataFrame({"record_id": [f"{number:05d}" for number in range(SHARD)], "path": "record"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_record(folder, signal, sampling_rate)
        render_shard(records, folder, sampling_rate, RenderConfig(), folder / "pages", folder / "problems", title="")
        timings = interleaved(
            {str(workers): lambda workers=workers: run(folder, records, sampling_rate, workers) for workers in (1, 2)},
            repetitions,
            clock,
        )
    return [Timing(timing.least / SHARD, timing.median / SHARD) for timing in timings.values()]


def _write_record(folder: Path, signal: np.ndarray, sampling_rate: float) -> Path:
    """The signal as WFDB files; returns the record's path."""
    units, leads = ["mV"] * len(LEADS), list(LEADS)
    wfdb.wrsamp("record", sampling_rate, units, leads, signal.T, fmt=["16"] * len(LEADS), write_dir=str(folder))
    return folder / "record"


def _render_twice(folder: Path, records: pd.DataFrame, sampling_rate: float, workers: int) -> None:
    files = folder / f"{workers}.parquet", folder / f"{workers}.problems.parquet"
    render_shard(records, folder, sampling_rate, RenderConfig(), *files, title="bench", workers=workers)


def _preprocess_twice(folder: Path, _records: pd.DataFrame, _sampling_rate: float, workers: int) -> None:
    files = [folder / f"{workers}{end}" for end in (".npy", ".index.parquet", ".problems.parquet")]
    make_images(StoredPages([folder / "pages"]), PreprocessConfig(), *files, title="bench", workers=workers)


def bench_signal(record: Path | None) -> tuple[np.ndarray, float]:
    """The signal of a WFDB record, or a simulated one of 500 Hz that is the same every time."""
    if record is not None:
        return read_signal(record, record.name)
    from ecgpipe.acquire.simulate.record import simulate_record

    simulated = simulate_record(np.random.default_rng(0), ("NORM",), 500)
    return simulated.signal, 500.0


BENCHMARKS = {"render": bench_render, "preprocess": bench_preprocess}
