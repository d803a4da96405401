"""The position of each simulated finding on its page: the points of the samples that show it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.saliency import FINDINGS
from ecgpipe.artifacts.truth import Truth
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.lead_names import LEADS
from ecgpipe.progress import progress
from ecgpipe.render.degrade import DegradedPage
from ecgpipe.render.page import Page, true_runs
from ecgpipe.render.shard import PageRenderer, rows_of


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
    """Write findings/<shard>.parquet from the pages that ``render_shard`` renders.

    Args:
        records: the shard's rows of records.parquet; records without a page get no rows.
        truths: the findings of these records, by id.
        source: folder that the records' paths are relative to.
        sampling_rate: Hz.
        config: appearance of the pages. The points of ECG-Image-Kit's pages are unknown: no rows.
        findings_file: output file.
        title: of the progress bar.
    """
    rows: list[dict] = []
    renderer = PageRenderer(source, sampling_rate, config)
    pairs = rows_of(records) if config.renderer == "ecgpipe" else []
    for record_id, path in progress(pairs, title, unit="records"):
        if not truths[record_id].findings:
            continue
        try:
            page = renderer.page((record_id, path))
        except RecordError:
            continue
        rows += _rows(record_id, truths[record_id], page, sampling_rate)
    FINDINGS.write(rows, findings_file)


def _rows(record_id: str, truth: Truth, page: Page | DegradedPage, sampling_rate: int) -> Iterator[dict]:
    height, width = page.shape
    for finding in truth.findings:
        mask = truth.finding_mask(finding, LEADS, sampling_rate)
        for lead in page.leads:
            shows = mask[LEADS.index(lead.name.upper()), lead.start_sample : lead.end_sample]
            for first, last in true_runs(shows):
                points = lead.pixels[first:last]
                yield {
                    "record_id": record_id,
                    "code": finding.code,
                    "superclass": finding.superclass,
                    "lead": lead.name,
                    "x": (points[:, 0] / width).astype(np.float32),
                    "y": (points[:, 1] / height).astype(np.float32),
                }
