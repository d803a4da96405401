"""Clear calibration pulses, and marks at the ends of rows that are no trace."""

from types import SimpleNamespace

import numpy as np
import pytest

from ecgpipe.reader.leads import FoundLead, PageLeads, find_leads
from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.pulses import Mark, drawn_pulses, rectangles, without_pulses
from ecgpipe.reader.scales import Pulses, find_pulses
from ecgpipe.reader.timing import page_time
from ecgpipe.reader.view import View
from tests.reader.test_leads import BY_COLUMN, LEFT, MM, RIGHT, names_of, rows_of_traces

ROWS = [30.0, 60.0, 90.0, 120.0]


def pulse(ink: np.ndarray, left: float, baseline: float, height: float = 10.0, width: float = 5.0) -> None:
    """Draw a pulse, lengths in mm, with lines of 2 pixels."""
    x0, x1, y0, y1 = (round(MM * each) for each in (left, left + width, baseline - height, baseline))
    ink[y0 : y1 + 2, x0 : x0 + 2] = ink[y0 : y1 + 2, x1 : x1 + 2] = ink[y0 : y0 + 2, x0 : x1 + 2] = 1
    ink[y1 : y1 + 2, x0 - 4 : x0] = ink[y1 : y1 + 2, x1 : x1 + 6] = 1


def page_with(ink: np.ndarray, rows: list[float], left: float = LEFT, right: float = RIGHT) -> ReadPage:
    """A page whose maps show no pulse, with one lead in each row."""
    row_of = np.full(ink.shape, -1, np.int8)
    for row, baseline in enumerate(rows):
        row_of[round(MM * baseline) : round(MM * baseline) + 2, round(MM * left) : round(MM * right)] = row
    ink[row_of >= 0] = 1
    leads = tuple(FoundLead("V1", row, left, right, baseline) for row, baseline in enumerate(rows))
    found = PageLeads("rows", True, False, leads, tuple(rows), (), 1.0, row_of)
    maps = np.zeros((len(PIXEL_MAPS), *ink.shape), np.float32)
    frame = SimpleNamespace(pixels_per_mm=MM, warp=lambda picture, *_: picture)
    reading = SimpleNamespace(maps=maps, scale=1.0, grid_found=True)
    return ReadPage(reading, frame, ink.copy(), found, (), View.whole(ink))


def empty() -> np.ndarray:
    return np.zeros((round(150 * MM), round(290 * MM)), np.float32)


@pytest.mark.parametrize("height", [5.0, 10.0, 20.0])
def test_pulses_that_the_maps_miss_are_found_in_the_ink(height):
    ink = empty()
    for baseline in ROWS:
        pulse(ink, 8, baseline, height)
    page = page_with(ink, ROWS)
    assert find_pulses(page) is None
    marks = drawn_pulses(page, ink)
    assert {mark.row for mark in marks} == {0, 1, 2, 3}
    assert all(
        mark.height == pytest.approx(height, abs=0.3) and mark.width == pytest.approx(5, abs=0.3) for mark in marks
    )
    assert find_pulses(page, 1.0, marks) == Pulses(height, False)


@pytest.mark.parametrize("where", ["before the row", "in the row"])
def test_a_single_pulse_counts_only_beyond_the_row(where):
    ink = empty()
    pulse(ink, 8 if where == "before the row" else 100, ROWS[2])
    page = page_with(ink, ROWS)
    found = find_pulses(page, 1.0, drawn_pulses(page, ink))
    assert found == (Pulses(10, False) if where == "before the row" else None)


def test_three_of_twelve_rows_are_enough():
    rows = [12.0 * row + 12 for row in range(12)]
    marks = [Mark(100.0, 10.0, 2.5, row, rows[row]) for row in (1, 4, 7)]
    page = page_with(np.zeros((round(170 * MM), round(290 * MM)), np.float32), rows)
    assert find_pulses(page, 1.0, marks) == Pulses(10, False)
    assert find_pulses(page, 1.0, marks[:2]) is None


@pytest.mark.parametrize(("height", "rows", "gain"), [(5.0, 2, None), (5.0, 3, 5), (10.0, 2, 10), (4.2, 4, None)])
def test_marks_that_may_be_cells_of_the_grid_need_more_rows(height, rows, gain):
    ink = empty()
    for baseline in ROWS[:rows]:
        pulse(ink, 8, baseline, height)
    page = page_with(ink, ROWS)
    found = find_pulses(page, 1.0, drawn_pulses(page, ink))
    assert (found and found.gain) == gain


@pytest.mark.parametrize("what", ["grid", "box", "wave"])
def test_cells_of_a_grid_boxes_and_waves_are_no_pulses(what):
    ink = empty()
    for baseline in ROWS:
        x, y = round(8 * MM), round(baseline * MM)
        if what == "grid":
            ink[:, :: round(5 * MM)] = ink[:: round(5 * MM)] = 1
        elif what == "box":
            pulse(ink, 8, baseline)
            ink[y : y + 2, x : x + round(5 * MM)] = 1
        else:
            for step in range(round(10 * MM)):
                ink[y - step, x + step // 4] = ink[y - step, x + round(5 * MM) - step // 4] = 1
    assert not rectangles(ink > 0.5, ROWS, MM)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pulses_taken_for_the_trace_no_longer_end_the_rows(side):
    ink = empty()
    start = LEFT - 9 if side == "left" else RIGHT + 4
    for baseline in ROWS:
        pulse(ink, start, baseline)
    page = page_with(ink, ROWS)
    for row, baseline in enumerate(ROWS):
        part = np.s_[
            round(MM * (baseline - 11)) : round(MM * baseline) + 2, round(MM * (start - 2)) : round(MM * (start + 7))
        ]
        page.leads.row_of[part][ink[part] > 0] = row
    ends = {"left": start} if side == "left" else {"right": start + 5}
    leads = tuple(FoundLead(**{**vars(lead), **ends}) for lead in page.leads.leads)
    page = ReadPage(**{**vars(page), "leads": PageLeads(**{**vars(page.leads), "leads": leads})})
    cut, own = without_pulses(page, ink, drawn_pulses(page, ink))
    assert all(lead.left == pytest.approx(LEFT, abs=0.3) for lead in cut.leads.leads)
    assert all(lead.right == pytest.approx(RIGHT, abs=0.3) for lead in cut.leads.leads)
    between = np.s_[:, round(MM * LEFT) : round(MM * RIGHT)]
    assert (cut.leads.row_of[between] == page.leads.row_of[between]).all() and (own[between] == ink[between]).all()
    assert not own[round(MM * (ROWS[0] - 10)), round(MM * (start - 1)) : round(MM * (start + 6))].any()


def test_a_far_piece_before_a_row_is_not_part_of_it():
    trace, offset = rows_of_traces(ROWS)
    trace[:, : round(60 * MM)] = 0
    trace[round(ROWS[3] * MM), round(8 * MM) : round(13 * MM)] = 0.9
    found = find_leads(trace, offset, [], MM)
    assert found is not None and all(lead.left > 59 for lead in found.leads)


def test_a_mark_far_above_the_start_of_a_row_is_not_part_of_it():
    trace, offset = rows_of_traces(ROWS, {0: 8.0})
    mark = np.s_[round(16 * MM) : round(20 * MM), round((LEFT - 1) * MM) : round(LEFT * MM)]
    trace[mark], offset[mark] = 0.9, ROWS[0] - np.linspace(16, 20, 16)[:, None]
    found = find_leads(trace, offset, names_of(BY_COLUMN, ROWS[:3]), MM)
    assert not (found.row_of[: round(20.5 * MM), : round((LEFT + 1) * MM)] >= 0).any()
    assert found.leads[0].left == pytest.approx(LEFT, abs=0.3)


def test_one_row_that_begins_far_before_the_others_does_not_set_the_start_of_the_page():
    rows = tuple(FoundLead("II", row, left, 300.0, 30.0 * row) for row, left in enumerate((70.0, 71.0, 10.0)))
    leads = SimpleNamespace(leads=rows, rows=(0.0, 30.0, 60.0), cut=False)
    page = SimpleNamespace(leads=leads, reading=SimpleNamespace(grid_found=True, names=()))
    _, time, _ = page_time(page, 25)
    assert time.lefts[0] == 70 and time.seconds == pytest.approx(230 / 25)
