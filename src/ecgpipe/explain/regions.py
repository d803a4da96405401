"""The explained records as model inputs, and the regions of their pages: traces, leads, findings."""

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
from ecgpipe.models.inputs import to_input

Margins = tuple[float, float, float, float]
"""Cropped shares of a page: top, right, bottom, left."""
TOLERANCE = 0.015
"""Half-width of the band around a finding's samples, as a share of the image's side (9.6 of 640 pixels)."""


def read_inputs(folder: Path, run: RunConfig, index: RunIndex, positions: np.ndarray) -> torch.Tensor:
    """(n, channels, size, size) model inputs of the records at the given positions of a run's index."""
    files = [open_images(folder / name) for name in run.images]
    packed = np.stack([files[index.files[position]][index.rows[position]] for position in positions])
    return to_input(packed, run.model.image_size, run.model.in_chans)


def positions_of(index: RunIndex, record_ids: Sequence[str]) -> np.ndarray:
    """Positions of records in a run's index; of a record with several pages, the position of its printed page.

    Raises:
        DataError: a record is missing.
    """
    positions: dict[str, int] = {}
    for position, record_id in enumerate(index.record_ids):
        positions.setdefault(record_id, position)
    missing = [record_id for record_id in record_ids if record_id not in positions]
    if missing:
        raise DataError(f"record {missing[0]} is explained but not part of this run; prepare both runs again")
    return np.array([positions[record_id] for record_id in record_ids], dtype=int)


@dataclass(frozen=True)
class Regions:
    """Masks of one record, bool (s, s).

    Attributes:
        trace: pixels with ink.
        leads: lead name -> pixels within the lead's boxes; empty if the page has no boxes.
        finding: pixels within TOLERANCE of the samples that carry the class's findings; None if they are unknown.
        finding_leads: pixels within the boxes of the leads that carry them; None if they are unknown.
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
    transform: PageTransform | None,
) -> Regions:
    """Find the regions of a record.

    Args:
        image: (channels, height, width) model input.
        page: with or without boxes.
        findings: the record's rows of the findings tables; None if findings are unknown.
        label: class name; findings with this superclass or code belong to it.
        margins: cropped shares of the page.
        side: of the masks, in pixels.
        transform: how preprocessing rectified the page; None if it did not.
    """
    ink = cv2.resize(image[0].numpy(), (side, side), interpolation=cv2.INTER_AREA) > 0
    quads = _lead_quads(page, margins, transform)
    finding = finding_leads = None
    if findings is not None:
        own = findings[(findings["superclass"] == label) | (findings["code"] == label)]
        lines = [
            _to_input(np.stack([x, y], axis=1), margins, transform) for x, y in zip(own["x"], own["y"], strict=True)
        ]
        mask = band(lines, side)
        if mask.any():
            finding = mask
            finding_leads = boxes_mask([quad for name in set(own["lead"]) for quad in quads.get(name, [])], side)
    return Regions(ink, {name: boxes_mask(group, side) for name, group in quads.items()}, finding, finding_leads)


def _lead_quads(page: StoredPage, margins: Margins, transform: PageTransform | None) -> dict[str, list[np.ndarray]]:
    """Lead name -> corners of its boxes, (4, 2) x and y, as shares of the model input."""
    if not page.boxes:
        return {}
    boxes = json.loads(page.boxes)
    size = np.array([boxes["width"], boxes["height"]], float)
    quads: dict[str, list[np.ndarray]] = {}
    for lead in boxes["leads"]:
        corners = np.array([lead["lead_bounding_box"][str(i)][::-1] for i in range(4)], float)
        quads.setdefault(lead["lead_name"], []).append(_to_input(corners / size, margins, transform))
    return quads


def _to_input(points: np.ndarray, margins: Margins, transform: PageTransform | None) -> np.ndarray:
    """(n, 2) points as shares of the page -> shares of the model input."""
    if transform is not None:
        points = transform.to_image(points)
    top, right, bottom, left = margins
    return (points - [left, top]) / [1 - left - right, 1 - top - bottom]


def band(lines: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within TOLERANCE of polylines, (n, 2) x and y each, as shares of the model input."""
    mask = np.zeros((side, side), np.uint8)
    fixed_point = [np.rint(line * side * 16).astype(np.int32) for line in lines]
    cv2.polylines(mask, fixed_point, False, 1, max(1, round(2 * TOLERANCE * side)), cv2.LINE_8, 4)
    return mask.astype(bool)


def boxes_mask(boxes: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within any quadrilateral, (4, 2) x and y each, as shares of the model input."""
    mask = np.zeros((side, side), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box * side).astype(np.int32)], 1)
    return mask.astype(bool)
