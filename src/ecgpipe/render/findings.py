"""Where on its page each simulated finding is: the points of the samples that carry it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.saliency import FINDINGS
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.truth import Truth
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.progress import progress
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import LeadOnPage, render_page


def write_findings(
    records: pd.DataFrame,
    truths: Mapping[str, Truth],
    source: Path | str,
    sampling_rate: int,
    config: RenderConfig,
    findings_file: Path | str,
    *,
    title: str,
) -> None:
    """Write findings/<shard>.parquet.

    Pages are drawn as ``render_shard`` draws them, degraded or not, and asked where their samples are. Records that
    cannot be drawn have no page either, and no row.

    Args:
        records: the shard's rows of records.parquet.
        truths: of these records, by id.
        source: folder that the records' paths start from.
        sampling_rate: Hz.
        config: how pages look. Of those that ECG-Image-Kit draws the points are not known: no rows.
        findings_file: what to write.
        title: of the progress bar.
    """
    rows: list[dict] = []
    pairs = list(zip(records["record_id"], records["path"], strict=True))
    for record_id, path in progress(pairs if config.renderer == "ecgpipe" else [], title, unit="records"):
        if not truths[record_id].findings:
            continue
        try:
            signal, rate = read_signal(Path(source) / path, record_id, sampling_rate)
            page = render_page(signal, rate, config)
        except (RecordError, ValueError):
            continue
        if config.degrade.active:
            page = degrade_page(page, config.degrade, record_id)
        rows += _rows(record_id, truths[record_id], page.leads, page.shape, sampling_rate)
    FINDINGS.write(rows, findings_file)


def _rows(
    record_id: str, truth: Truth, leads: tuple[LeadOnPage, ...], shape: tuple[int, int], sampling_rate: int
) -> Iterator[dict]:
    height, width = shape
    for finding in truth.findings:
        mask = truth.finding_mask(finding, LEADS, sampling_rate)
        for lead in leads:
            carries = mask[LEADS.index(lead.name.upper()), lead.start_sample : lead.end_sample]
            for first, last in _stretches(carries):
                points = lead.pixels[first:last]
                yield {
                    "record_id": record_id,
                    "code": finding.code,
                    "superclass": finding.superclass,
                    "lead": lead.name,
                    "x": (points[:, 0] / width).astype(np.float32),
                    "y": (points[:, 1] / height).astype(np.float32),
                }


def _stretches(carries: np.ndarray) -> list[tuple[int, int]]:
    """First and last (exclusive) sample of each run of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], carries, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
