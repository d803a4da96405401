"""Possible problems of a page that was read: what looks like two pages, lost names, leads with gaps, ink left out."""

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ecgpipe.reader.leads import FoundLead, PageLeads
from ecgpipe.reader.read import FoundName, marks_of
from ecgpipe.reader.rows import NAME_ABOVE, NAME_BELOW

if TYPE_CHECKING:
    from ecgpipe.reader.page import ReadPage

REPEATED = 6
"""Number of repeated lead names from which two pages are suspected; rhythm strips repeat up to three names."""
FULL = 0.9  # leads with a lower coverage are reported
FITTING = 0.8  # layouts with which fewer of the names agree are reported
DARK = 0.5  # times the darkness of the traces: darker pixels are ink
INK_RESOLUTION = 4.0  # approximate pixels per mm at which ink is compared
NEAR_INK = 0.8  # mm: ink this close to marked pixels is explained by them
NEAR_START = 15.0  # mm, largest distance of a name from the left end and the baseline of its lead
MUCH_INK = 0.12  # unexplained ink that is reported, relative to a lead's trace


def page_notes(picture: np.ndarray, page: "ReadPage") -> list[str]:
    """The possible problems of a page, one sentence each.

    Args:
        picture: uint8 (H, W, 3), RGB, as given to ``understand_page``; its negative for light traces on a dark
            background.
    """
    return [*_general_notes(page), *lead_notes(page.leads), *_ink_notes(picture, page)]


def _general_notes(page: "ReadPage") -> list[str]:
    reading, notes = page.reading, []
    if reading.geometry.mirrored:
        notes.append("the page is mirrored; the upright page shows it the right way round")
    if not reading.grid_found:
        notes.append("no grid was found, so millimetres and direction are rough")
    if several_pages(page):
        notes.append("most lead names appear twice: if the picture shows two pages, crop it to one")
    return notes


def several_pages(page: "ReadPage") -> bool:
    """Whether more names at the rows of traces are repeated than rhythm strips explain; a table may list them again."""
    counts = Counter(name.name for name in _names_at(page, page.leads.rows))
    return sum(count > 1 for count in counts.values()) >= REPEATED


def names_left_out(page: "ReadPage") -> list[str]:
    """Names that belong to no row or lead, but to a line that was not taken for a row: it may be a row of leads."""
    known = {lead.name for lead in page.leads.leads if lead.name_read}
    at_rows = _names_at(page, page.leads.rows)
    others = [name.name for name in _names_at(page, page.leads.removed) if name not in at_rows]
    return list(dict.fromkeys(name for name in others if name not in known))


def misplaced_names(page: "ReadPage") -> list[str]:
    """Different names at the starts of leads, if none of all names is at the start of its own lead.

    The layout's agreement does not tell this: it is also 0 if the names are taken for those of no row.
    """
    wrong = []
    for name in page.reading.names:
        x, y = page.frame.to_mm(np.array([[name.x, name.y]]))[0]
        near = [
            lead
            for lead in page.leads.leads
            if not lead.strip and max(abs(x - lead.left), abs(y - lead.baseline)) <= NEAR_START
        ]
        if any(lead.name == name.name for lead in near):
            return []
        wrong += [name.name] if near else []
    return list(dict.fromkeys(wrong))


def _names_at(page: "ReadPage", baselines: Sequence[float]) -> list[FoundName]:
    """The names whose heights fit rows with these baselines, mm; the most confident first."""
    names = page.reading.names
    if not names:
        return []
    y = page.frame.to_mm(np.array([[name.x, name.y] for name in names]))[:, 1]
    beside = y[:, None] - np.array(baselines)
    at_row = ((beside >= -NAME_ABOVE) & (beside <= NAME_BELOW)).any(axis=1)
    return [name for name, near in zip(names, at_row, strict=True) if near]


def lead_notes(leads: PageLeads) -> list[str]:
    """What does not fit the layout, and where traces are missing."""
    notes = []
    if not leads.known:
        notes.append(f"the layout is unknown: {leads.described}")
    elif not leads.named:
        notes.append(f"few lead names were read, or few fit; the leads are named as in the layout {leads.layout}")
    else:
        if leads.agreement < FITTING:
            share = 100 * (1 - leads.agreement)
            notes.append(f"{share:.0f}% of the lead names that were read do not fit the layout {leads.layout}")
        notes += [f"row {row + 1}: no lead name that was read there fits the layout" for row in leads.doubtful]
    notes += [f"a line {y:.0f} mm below the upper edge is not a lead and was left out" for y in leads.removed]
    for lead in leads.leads:
        if lead.coverage < FULL:
            notes.append(f"{_place(lead)}: no trace in {100 * (1 - lead.coverage):.0f}% of its width")
    return notes


def _place(lead: FoundLead) -> str:
    return f"{lead.name}, row {lead.row + 1}"


def _ink_notes(picture: np.ndarray, page: "ReadPage") -> list[str]:
    """Report leads with much dark ink around them that is neither their trace nor marked as anything else.

    The shares are estimated from some of the pixels.
    """
    step = max(1, round(page.frame.pixels_per_mm / INK_RESOLUTION))
    frame, row_of = page.frame.thinned(step), page.leads.row_of[::step, ::step]
    maps, scale = page.reading.maps, page.reading.scale
    upright = page.view.warp(picture, frame)
    dark = dark_ink(upright, frame.warp(maps[0], scale, 0) > 0.5)
    marked = frame.warp(marks_of(maps), scale, 0) > 0.4
    reach = max(1, round(NEAR_INK * frame.pixels_per_mm))
    near = cv2.dilate(marked.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    unmarked = dark & ~near
    notes = []
    leads = page.leads
    pitch = np.diff(leads.rows).min() if len(leads.rows) > 1 else 30.0
    for lead in leads.leads:
        left, right = (round(x * frame.pixels_per_mm) for x in (lead.left, lead.right))
        top, bottom = (round((lead.baseline + side * pitch / 2) * frame.pixels_per_mm) for side in (-1, 1))
        part = np.s_[max(top, 0) : bottom, max(left, 0) : right]
        traced = np.count_nonzero(row_of[part] == lead.row)
        left_out = np.count_nonzero(unmarked[part])
        if left_out > MUCH_INK * max(traced, 1):
            share = left_out / max(left_out + traced, 1)
            notes.append(f"{_place(lead)}: {100 * share:.0f}% of the dark ink around it was left out")
    return notes


def dark_ink(page: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """bool (h, w): pixels about as dark as the traces, relative to their surroundings."""
    grey = reduce(cv2.max, cv2.split(page))
    small = cv2.resize(grey, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    darkness = cv2.subtract(cv2.resize(cv2.medianBlur(small, 21), grey.shape[::-1]), grey)
    usual = float(np.median(darkness[trace])) if trace.any() else 128.0
    return darkness > max(DARK * usual, 25)
