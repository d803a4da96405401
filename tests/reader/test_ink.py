"""The ink of traces: frames around the page, and waves that the network does not see."""

import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.ink import ink_of, own_ink, without_frame
from ecgpipe.reader.page import understand_page
from ecgpipe.reader.read import load_reader
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats


def test_a_dark_line_along_the_edges_becomes_what_lies_beside_it() -> None:
    page = np.full((300, 400, 3), 240, np.uint8)
    page[150, :] = 20  # a trace from edge to edge
    framed = page.copy()
    framed[:, :2] = framed[:, -1:] = framed[:1] = framed[-1:] = 0
    assert (without_frame(framed) == page).all()


@pytest.mark.parametrize("margin", [0, 20])
def test_a_picture_without_a_frame_stays_as_it_is(margin) -> None:
    page = np.full((300, 400, 3), 240, np.uint8)
    page[:, :margin] = 10  # the table on which the page lies
    assert without_frame(page) is page


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return render_page(beats(), 500, RenderConfig(layout="6x2", dpi=150)).image


def hide(page, lead, left: float, right: float) -> slice:
    """Let the network miss a stretch of a lead, given in mm; returns its columns."""
    columns = slice(round(left * page.frame.pixels_per_mm), round(right * page.frame.pixels_per_mm))
    here = page.leads.row_of[:, columns] == lead.row
    page.leads.row_of[:, columns][here] = -1
    page.trace[:, columns][here] = 0
    return columns


@pytest.mark.parametrize("at_the_name", [False, True])
def test_dark_ink_that_the_network_missed_is_followed_but_letters_are_not(drawn, at_the_name) -> None:
    page = understand_page(drawn, load_reader())
    lead = next(lead for lead in page.leads.leads if lead.name == "V2")
    ink = ink_of(page, drawn)
    (name,) = [name for name in page.reading.names if name.name == "V2"]
    x, y = page.frame.to_mm(np.array([[name.x, name.y]]))[0]
    left = x - 2 if at_the_name else lead.left + 60
    hidden = hide(page, lead, left, left + 4)
    first, last = (round(edge * page.frame.pixels_per_mm) for edge in (lead.left, lead.right))
    found = own_ink(page, ink, lead, first, last)[:, hidden.start - first : hidden.stop - first]
    if at_the_name:
        letters = slice(round((y - 2) * page.frame.pixels_per_mm), round((y + 2) * page.frame.pixels_per_mm))
        assert (ink[letters, hidden] > 0.5).any() and not (found[letters] > 0).any()
    else:
        assert (found > 0.5).any(axis=0).all()


def test_a_tall_wave_is_followed_to_its_plateau() -> None:
    signal, second = beats(), np.arange(5000) / 500
    signal[6] = 1.4 / (1 + np.exp(4 - 10 * np.sin(2 * np.pi * second)))  # V1: ST elevations of 14 mm
    drawn = render_page(signal, 500, RenderConfig(layout="6x2", dpi=150)).image
    page = understand_page(drawn, load_reader())
    lead = next(lead for lead in page.leads.leads if lead.name == "V1")
    mm, own = page.frame.pixels_per_mm, page.leads.row_of == lead.row
    first, last = (round(edge * mm) for edge in (lead.left, lead.right))
    foot = np.nonzero(own[:, first:last].any(axis=1))[0][-1]
    own[round(foot - 4 * mm) :] = False  # the network sees only the foot of each wave
    page.leads.row_of[own], page.trace[own] = -1, 0
    found = own_ink(page, ink_of(page, drawn), lead, first, last)
    plateau = np.nonzero((found > 0.5).any(axis=1))[0][0]
    assert (foot - plateau) / mm == pytest.approx(14, abs=0.7)


@pytest.fixture(scope="module")
def read(drawn):
    page = understand_page(drawn, load_reader())
    return page, next(lead for lead in page.leads.leads if lead.name == "II")


def own(page, lead, ink: np.ndarray) -> np.ndarray:
    return own_ink(page, ink, lead, *(round(edge * page.frame.pixels_per_mm) for edge in (lead.left, lead.right)))


def test_what_looks_like_a_trace_beside_the_page_does_not_change_the_ink(drawn) -> None:
    page = understand_page(drawn, load_reader())
    before = ink_of(page, drawn)
    page.trace[-round(20 * page.frame.pixels_per_mm) :] = 1
    assert ink_of(page, drawn) == pytest.approx(before, abs=1e-3)


def test_pale_steep_strokes_stay_whole(drawn, read) -> None:
    """A thin, steep stroke covers only a part of each pixel."""
    page, lead = read
    ink, mm = ink_of(page, drawn), page.frame.pixels_per_mm
    before, rows = own(page, lead, ink) > 0.5, np.arange(len(ink))[:, None] / mm
    steep = before & (np.abs(rows - lead.baseline) > 4)
    assert steep.sum() > 30
    ink[np.abs(rows[:, 0] - lead.baseline) > 4] *= 0.4
    assert (own(page, lead, ink) > 0.5)[steep].mean() > 0.9


def test_a_dark_line_of_the_grid_is_not_the_tip_of_a_wave(drawn, read) -> None:
    page, lead = read
    ink, mm = ink_of(page, drawn), page.frame.pixels_per_mm
    column, middle = round((lead.left + 40) * mm), round(lead.baseline * mm)
    ink[:, column : column + 2] = np.maximum(ink[:, column : column + 2], 0.9)
    left = round(lead.left * mm)
    found = own(page, lead, ink)[middle - round(4 * mm) : middle - round(2.5 * mm), column - left : column - left + 2]
    assert not found.any()
