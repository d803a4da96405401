"""The speed of rendering, on one core and on two; results and method: docs/performance.md.

ecgpipe bench render [--record RECORD] [--repetitions N] [--json]
"""

import argparse
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

from benchmarks.references import ecg_plot_page, matplotlib_page
from benchmarks.timing import Ratio, Report, Timing, interleaved, machine_info
from ecgpipe.acquire.simulate.record import simulate_record
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page
from ecgpipe.render.shard import render_shard

MATPLOTLIB, COLLECTIONS, ECG_PLOT = "matplotlib page", "matplotlib page, grid as collections", "ecg-plot page"
TWO_PROCESSES = 1.8  # target of the speed of two processes relative to one
SHARD = 240  # pages

Candidates = dict[str, Callable[[], object]]
ShardJob = Callable[[Path, pd.DataFrame, float, int], None]
"""Processes a shard: folder, records, sampling rate, number of processes."""


def run(args: argparse.Namespace) -> Report:
    """Time the rendering of the default page of a signal, and writing it as PNG."""
    signal, rate = read_benchmark_signal(args.record)
    config = RenderConfig()
    page = render_page(signal, rate, config)
    candidates: Candidates = {
        "rendered": lambda: render_page(signal, rate, config),
        "rendered and written as PNG": lambda: render_page(signal, rate, config).encode(),
        "lower bound of rendering: one copy of the page": page.indices.copy,
        "lower bound of writing: deflate, fastest level": lambda: zlib.compress(page.indices, 1),
    }
    targets = {"rendered": 50.0, "rendered and written as PNG": 25.0}
    notes = [f"page: {page.indices.shape[1]} x {page.indices.shape[0]}, {len(page.encode())} bytes as PNG"]
    return compare("Rendering, one core", candidates, targets, _render_shard, signal, rate, args.repetitions, notes)


def _render_shard(folder: Path, records: pd.DataFrame, rate: float, workers: int) -> None:
    files = folder / f"{workers}.parquet", folder / f"{workers}.problems.parquet"
    render_shard(records, folder, rate, RenderConfig(), *files, title="bench", workers=workers)


def compare(
    title: str,
    candidates: Candidates,
    targets: dict[str, float],
    shard_job: ShardJob,
    signal: np.ndarray,
    rate: float,
    repetitions: int,
    notes: list[str],
) -> Report:
    """Time the candidates and the references, and a shard in one and in two processes.

    Args:
        title: title of the report.
        candidates: functions by name.
        targets: candidate -> target of its speed relative to matplotlib and ecg-plot.
        shard_job: processes the shard.
        signal: (12, samples) in mV.
        rate: Hz.
        repetitions: number of rounds.
        notes: notes of the report; notes are added.
    """
    cv2.setNumThreads(1)
    config = RenderConfig()
    references: Candidates = {
        MATPLOTLIB: lambda: matplotlib_page(signal, rate, config),
        COLLECTIONS: lambda: matplotlib_page(signal, rate, config, ticks=False),
    }
    size = render_page(signal, rate, config).indices.shape[::-1]
    try:
        ecg_plot_page(signal, rate, size, config.dpi)
        references[ECG_PLOT] = lambda: ecg_plot_page(signal, rate, size, config.dpi)
    except ImportError as error:
        notes.append(f"without ecg-plot: {error}")
    timings = interleaved(references | candidates, repetitions, time.process_time)
    ratios = [
        Ratio(name, ref, timings[ref].minimum / timings[name].minimum, None if ref == COLLECTIONS else target)
        for ref in references
        for name, target in targets.items()
    ]
    one, two = (f"page of a shard of {SHARD}, {number}" for number in ("one process", "two processes"))
    shards = _time_shard(signal, rate, max(2, repetitions // 3), shard_job, time.perf_counter)
    timings |= dict(zip((one, two), shards, strict=True))
    ratios.append(Ratio("two processes", "one", timings[one].minimum / timings[two].minimum, TWO_PROCESSES))
    alone, together = _time_shard(signal, rate, 1, shard_job, _processor_seconds)
    notes.append(
        f"CPU time per page of a shard: {alone.minimum:.1f} ms in one process, {together.minimum:.1f} in two; on "
        f"two idle cores at most {2 * alone.minimum / together.minimum:.2f} times the speed"
    )
    return Report(title, timings, ratios, notes, machine_info())


def _processor_seconds() -> float:
    """CPU time of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _time_shard(
    signal: np.ndarray, rate: float, repetitions: int, job: ShardJob, clock: Callable[[], float]
) -> list[Timing]:
    """Milliseconds per page of a shard with all its files, in one and in two processes."""
    records = pd.DataFrame({"record_id": [f"{number:05d}" for number in range(SHARD)], "path": "record"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_record(folder, signal, rate)
        render_shard(records, folder, rate, RenderConfig(), folder / "pages", folder / "problems", title="")
        jobs = {str(n): lambda n=n: job(folder, records, rate, n) for n in (1, 2)}
        timings = interleaved(jobs, repetitions, clock).values()
    return [Timing(timing.minimum / SHARD, timing.median / SHARD) for timing in timings]


def write_record(folder: Path, signal: np.ndarray, rate: float) -> Path:
    """Write the signal as a WFDB record and return its path."""
    units, leads = ["mV"] * len(LEADS), list(LEADS)
    wfdb.wrsamp("record", rate, units, leads, signal.T, fmt=["16"] * len(LEADS), write_dir=str(folder))
    return folder / "record"


def read_benchmark_signal(record: Path | None) -> tuple[np.ndarray, float]:
    """Signal and sampling rate of a WFDB record, or of a simulated record, always the same one, at 500 Hz."""
    if record is not None:
        return read_signal(record, record.name)
    return simulate_record(np.random.default_rng(0), ("NORM",), 500).signal, 500.0
