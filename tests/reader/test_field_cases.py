"""Kinds of pages that the thresholds before the reader failed on: every row is found, and no lead is lost silently."""

import numpy as np
import pytest

from ecgpipe.artifacts.pictures import read_image
from ecgpipe.reader.page import ReadPage, understand_page
from ecgpipe.reader.read import load_reader

pytestmark = pytest.mark.realdata


def read(shared_data, name: str) -> ReadPage:
    file = shared_data / "field-cases" / name
    return understand_page(read_image(file.read_bytes(), name), load_reader())


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("photo-trace-lost/00016-1000px.jpg", 4),  # faint photo
        ("straight-small/00001-640px-none.jpg", 3),
        ("dark-grid/black.png", 3),
        ("bilevel-and-photocopy/thr160.tif", 4),
        ("portrait-desk/desk_portrait_wood.jpg", 4),
    ],
)
def test_every_row_is_found_and_gaps_are_said(shared_data, name, rows):
    page = read(shared_data, name)
    assert len(page.leads.rows) == rows
    for lead in page.leads.leads:
        assert lead.coverage > 0.6
        said = any(note.startswith(f"{lead.name}, row {lead.row + 1}: no trace") for note in page.notes)
        assert said or lead.coverage >= 0.9


def test_black_bars_do_not_change_what_is_read(shared_data):
    bars, none = (read(shared_data, f"black-bar/00003-1200px-{kind}.jpg") for kind in ("bars", "none"))
    assert np.allclose(bars.leads.rows, none.leads.rows, atol=2)
    for one, other in zip(bars.leads.leads, none.leads.leads, strict=True):
        assert one.name == other.name and one.coverage == pytest.approx(other.coverage, abs=0.1)


def test_nothing_of_a_header_is_taken_for_a_trace(shared_data):
    page = read(shared_data, "header-text/t150-16-0.9.jpg")
    first = round((page.leads.rows[0] - 25) * page.frame.pixels_per_mm)
    assert not (page.leads.row_of[: max(first, 0)] >= 0).any()
