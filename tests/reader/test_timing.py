"""Which time a page's rows show."""

from types import SimpleNamespace

import numpy as np
import pytest

from ecgpipe.reader.leads import FoundLead, PageLeads
from ecgpipe.reader.read import FoundName
from ecgpipe.reader.timing import page_time

COLUMNS = [("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("V7", "V8", "V9", "V3R")]
LEFT = 20.0
EMPTY = np.zeros((1, 1), np.int8)


def page(rights: list[float], apart: float | None = None) -> SimpleNamespace:
    """Rows of four leads in equal parts, from LEFT to these ends; ``apart``: distance of the lead names, mm."""
    end = float(np.median(rights))
    edges = np.linspace(LEFT, end, 5)
    leads, names = [], []
    for row, (right, line) in enumerate(zip(rights, COLUMNS, strict=False)):
        stops = [*edges[1:-1], right]
        for column, (name, left, stop) in enumerate(zip(line, edges[:-1], stops, strict=True)):
            leads.append(FoundLead(name, row, float(left), float(stop), 30.0 * row + 30, name_read=apart is not None))
            if apart is not None:
                names.append(FoundName(name, LEFT + 3 + column * apart, 30.0 * row + 24, 0.9))
    found = PageLeads(
        "3x4", True, False, tuple(leads), tuple(30.0 * row + 30 for row in range(len(rights))), (), 1.0, EMPTY
    )
    frame = SimpleNamespace(to_mm=lambda points: points, in_picture=lambda points: points, pixels_per_mm=1.0)
    geometry = SimpleNamespace(pixels_per_mm=1.0)
    reading = SimpleNamespace(grid_found=True, names=names, trace=np.zeros((300, 300)), geometry=geometry)
    return SimpleNamespace(leads=found, reading=reading, frame=frame)


@pytest.fixture(autouse=True)
def start_of_the_rows(monkeypatch):
    monkeypatch.setattr("ecgpipe.reader.timing._at_a_line", lambda page, left, lefts: left)


@pytest.mark.parametrize("apart", [None, 64.2])
def test_rows_that_are_certainly_longer_show_more_than_ten_seconds(apart):
    leads, time, _ = page_time(page([276.5, 276.0, 276.3], apart), 25)
    assert time.seconds == pytest.approx(256.3 / 25) and time.speed == 25
    v4 = next(lead for lead in leads if lead.name == "V4")
    assert (v4.left, v4.right) == pytest.approx((LEFT + 0.75 * 256.3, LEFT + 256.3))


def test_text_behind_one_row_does_not_stretch_the_others():
    leads, time, _ = page_time(page([255.0, 255.2, 255.2, 272.0]), 25)
    assert time.seconds == pytest.approx(235.2 / 25)
    assert next(lead for lead in leads if lead.name == "V6").right == pytest.approx(255.2)


@pytest.mark.parametrize(
    ("rights", "apart"),
    [
        ([272.0, 272.2, 271.9], None),  # marks at the ends of the rows
        ([274.5, 274.5, 274.5], 62.5),  # the names show that something else makes the rows longer
        ([268.0, 270.0, 276.5], None),  # the rows do not agree
        ([266.0, 266.1, 266.0], None),  # the scale of the grid is wrong
    ],
)
def test_other_rows_show_ten_seconds(rights, apart):
    assert page_time(page(rights, apart), 25)[1].seconds == 10


def test_names_confirm_slightly_longer_rows():
    rights = [LEFT + 253.0] * 3
    assert page_time(page(rights, 63.9), 25)[1].seconds == pytest.approx(253 / 25)
    assert page_time(page(rights), 25)[1].seconds == 10
