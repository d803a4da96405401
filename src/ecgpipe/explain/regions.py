"""The records that are explained, as a run sees them: images, classes, and where things stand on their pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.artifacts.pages import StoredPage
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import DataError
from ecgpipe.explain.measures import band, boxes_mask
from ecgpipe.models.inputs import to_input

Margins = tuple[float, float, float, float]
"""Shares of a page that preprocessing cut off: top, right, bottom, left."""


def read_inputs(folder: Path, run: RunConfig, items: RunIndex, positions: np.ndarray) -> torch.Tensor:
    """(n, channels, size, size) model inputs of the records at the given positions of a run."""
    files = [open_images(folder / name) for name in run.images]
    packed = np.stack([files[items.files[position]][items.rows[position]] for position in positions])
    return to_input(packed, run.model.image_size, run.model.in_chans)


def positions_of(items: RunIndex, record_ids: Sequence[str]) -> np.ndarray:
    """Where records are among a run's items.

    Raises:
        DataError: one is not there.
    """
    place = {record_id: position for position, record_id in enumerate(items.record_ids)}
    missing = [record_id for record_id in record_ids if record_id not in place]
    if missing:
        raise DataError(f"record {missing[0]} is explained but not part of this run; prepare both runs again")
    return np.array([place[record_id] for record_id in record_ids], dtype=int)


@dataclass(frozen=True)
class Regions:
    """Masks of one record, (s, s) bool each.

    Attributes:
        trace: where its image has ink.
        leads: {name: within the lead's boxes}; empty where the page has none.
        finding: within the band around the samples that carry the class's findings; None without truth.
        finding_leads: within the boxes of the leads that carry them; None likewise.
    """

    trace: np.ndarray
    leads: dict[str, np.ndarray]
    finding: np.ndarray | None
    finding_leads: np.ndarray | None


def find_regions(
    image: torch.Tensor,
    page: StoredPage,
    findings: pd.DataFrame | None,
    label: str,
    margins: Margins,
    side: int,
    turn: PageTransform | None = None,
) -> Regions:
    """The masks of a record.

    Args:
        image: (channels, height, width) model input.
        page: with its boxes, or none.
        findings: the record's rows of findings files; None where the truth is not known.
        label: the class; findings of that superclass, or with that code, are its own.
        margins: what the model does not see.
        side: of the masks.
        turn: how the page was turned before it became the image; None: not at all.
    """
    ink = cv2.resize(image[0].numpy(), (side, side), interpolation=cv2.INTER_AREA) > 0
    quads = _lead_quads(page, margins, turn)
    finding = finding_leads = None
    if findings is not None:
        own = findings[(findings["superclass"] == label) | (findings["code"] == label)]
        lines = [_seen(np.stack([x, y], axis=1), margins, turn) for x, y in zip(own["x"], own["y"], strict=True)]
        mask = band(lines, side) if lines else np.zeros((side, side), bool)
        if mask.any():
            finding = mask
            finding_leads = boxes_mask([q for name in set(own["lead"]) for q in quads.get(name, [])], side)
    return Regions(
        ink, {name: boxes_mask(group, side) for name, group in quads.items()}, finding, finding_leads
    )  # fmt: skip


def _lead_quads(page: StoredPage, margins: Margins, turn: PageTransform | None) -> dict[str, list[np.ndarray]]:
    """Lead name -> its boxes' corners, (4, 2) x and y, as shares of what the model saw."""
    if not page.boxes:
        return {}
    boxes = json.loads(page.boxes)
    size = np.array([boxes["width"], boxes["height"]], float)
    quads: dict[str, list[np.ndarray]] = {}
    for lead in boxes["leads"]:
        corners = np.array([lead["lead_bounding_box"][str(i)][::-1] for i in range(4)], float)
        quads.setdefault(lead["lead_name"], []).append(_seen(corners / size, margins, turn))
    return quads


def _seen(points: np.ndarray, margins: Margins, turn: PageTransform | None) -> np.ndarray:
    """Shares of the page (n, 2) -> shares of what the model saw."""
    if turn is not None:
        points = turn.to_image(points)
    top, right, bottom, left = margins
    return (points - [left, top]) / [1 - left - right, 1 - top - bottom]
