"""Pages that are cut, turned, or show more than leads: each kind was once read wrongly."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.lead_names import LEADS, PRINTED_NAMES
from ecgpipe.reader.curves import with_ink_curves
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.lead_line import follow_lines
from ecgpipe.reader.limb_leads import invert_printed_sign
from ecgpipe.reader.quality import challenge_score, compare_lead
from ecgpipe.reader.read import legible, read_page
from ecgpipe.reader.rows import clean_rows
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import Page, render_page
from tests.preprocess.pages import beats

SIGNAL = beats()


def score(page: Page, signal: np.ndarray) -> float:
    """Mean signal-to-noise ratio of the leads, dB."""
    true = np.full_like(SIGNAL, np.nan)
    for lead in reversed(page.leads):  # the leads' own parts, not their strips
        row = true[LEADS.index(lead.name.upper())]
        row[:] = np.nan
        row[lead.start_sample : lead.end_sample] = SIGNAL[
            LEADS.index(lead.name.upper()), lead.start_sample : lead.end_sample
        ]
    return challenge_score([compare_lead(*pair, 500) for pair in zip(true, signal, strict=True)])


@pytest.fixture(scope="module")
def kit() -> Page:
    return render_page(SIGNAL, 500, RenderConfig(dpi=130))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_page_that_is_cut_within_a_lead_keeps_its_time_axis(side, kit, net):
    mm = kit.dpi / 25.4
    ends = [x for lead in kit.leads for x in lead.pixels[[0, -1], 0]]
    kept = np.s_[:, round(min(ends) + 3 * mm) :] if side == "left" else np.s_[:, : round(max(ends) - 3 * mm)]
    found = digitize(np.ascontiguousarray(kit.image[kept]), net)
    assert found.speed == pytest.approx(25, abs=0.05)
    assert any("cuts the rows" in note for note in found.notes)
    assert score(kit, found.signal) > 12


def test_an_upside_down_page_is_turned_even_if_its_names_become_a_little_less_legible(net, monkeypatch):
    page = render_page(SIGNAL, 500, RenderConfig(layout="12x1", dpi=130))
    picture = np.ascontiguousarray(page.image[::-1, ::-1])
    first = read_page(picture, net).names
    monkeypatch.setattr("ecgpipe.reader.page.legible", lambda names: legible(names) * (1.2 if names == first else 1))
    found = digitize(picture, net)
    assert abs(found.page.view.degrees) == 180 and score(page, found.signal) > 12


def test_a_table_of_lead_names_is_no_second_page(kit, net):
    picture = kit.image.copy()
    for number, name in enumerate(PRINTED_NAMES):
        cv2.putText(picture, name, (70 + 75 * number, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    found = digitize(picture, net)
    assert found.page.leads.layout == "3x4+1" and not any("twice" in note for note in found.notes)


def test_a_printed_rule_on_a_turned_page_is_no_row(net):
    page = render_page(SIGNAL, 500, RenderConfig(layout="cardiac-images", dpi=150))
    picture, mm = page.image.copy(), page.dpi / 25.4
    height, width = picture.shape[:2]
    cv2.line(picture, (round(5 * mm), round(36 * mm)), (round(255 * mm), round(36 * mm)), (0, 0, 0), 3)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1, 1)
    reading = read_page(cv2.warpAffine(picture, turn, (width, height), borderValue=(255, 255, 255)), net)
    assert with_ink_curves(reading) is reading


def test_a_strip_continues_its_lead_without_a_step(kit, net, monkeypatch):
    """Rows have their own baselines; that of the strip is wrong by a millimetre here."""

    def with_low_strip(*arguments):
        read = follow_lines(*arguments)
        leads = [replace(line.lead, baseline=line.lead.baseline + line.lead.strip) for line in read.lines]
        return replace(
            read, lines=tuple(replace(line, lead=lead) for line, lead in zip(read.lines, leads, strict=True))
        )

    monkeypatch.setattr("ecgpipe.reader.digitize.follow_lines", with_low_strip)
    error = (digitize(kit.image, net).signal - SIGNAL[:, :5000])[PRINTED_NAMES.index("II")]
    own = next(lead for lead in kit.leads if lead.name == "II")
    inside = np.arange(len(error)) < own.end_sample
    assert abs(np.nanmedian(error[inside]) - np.nanmedian(error[~inside])) < 0.02


def test_the_sign_of_avr_is_known_from_avl_and_i():
    signal = np.full((12, 5000), np.nan)
    first, second = SIGNAL[0], SIGNAL[1]
    signal[0, :1250], signal[4, :1250] = first[:1250], (first - second / 2)[:1250]
    signal[1, 1250:2500] = second[1250:2500]  # in the next column
    signal[3, :1250] = ((first + second) / 2)[:1250]
    notes = invert_printed_sign(signal, 500)
    assert "contains aVR" in notes[0]
    assert np.allclose(signal[3, :1250], -(first + second)[:1250] / 2)


def test_the_grid_of_a_flat_strip_is_found(kit, net):
    top = round(min(lead.pixels[:, 1].min() for lead in kit.leads[-1:]))
    strip = kit.image[max(top - 20, 0) : top + 90]
    assert strip.shape[1] > 8.8 * strip.shape[0]
    assert read_page(np.ascontiguousarray(strip), net).grid_found


def drawn(folder: Path, name: str, change: Callable[[dict], object], dpi: int) -> Page:
    """A page in a layout of which each slot was changed."""
    layout = layout_named(name).model_dump(mode="json")
    for slot in layout["slots"]:
        change(slot)
    (folder / "layout.json").write_text(json.dumps(layout))
    return render_page(SIGNAL, 500, RenderConfig(layout=str(folder / "layout.json"), dpi=dpi))


@pytest.mark.parametrize("named", [True, False])
def test_a_lead_that_lies_above_its_row_is_part_of_it(named):
    """A tenth of the row below also reaches into its columns."""
    row_of = np.full((500, 1000), -1, np.int8)  # 4 pixels per mm
    for row, (y, columns) in enumerate([(120, np.s_[:]), (200, np.s_[500:750]), (240, np.s_[:540]), (360, np.s_[:])]):
        row_of[y : y + 4, columns] = row
    row_of[240:244, 750:] = 2
    rows, removed = clean_rows([30.0, 50.0, 60.0, 90.0], row_of, 4.0, named)
    assert rows == [30, 60, 90] and removed == ([] if named else [50])
    assert ((row_of == 1).any(axis=0)).mean() == pytest.approx(1.0 if named else 0.79)


def test_a_row_of_letters_is_no_row():
    """The numbers below a chart's axis."""
    row_of = np.full((500, 1000), -1, np.int8)
    for row in range(3):
        row_of[100 * row + 50 : 100 * row + 54, 20:980] = row
    row_of[420:428, [column for column in range(20, 980) if column % 12 < 9]] = 3
    rows, removed = clean_rows([13.0, 38.0, 63.0, 106.0], row_of, 4.0, named=True)
    assert rows == [13, 38, 63] and removed == [106] and row_of.max() == 2


def with_a_weak_row(columns: list[int], y: int = 200) -> np.ndarray:
    """Rows of traces at 25, 50, 75, 100 and 125 mm, the second with only these columns and at this pixel; 4 per mm."""
    row_of = np.full((600, 1000), -1, np.int8)
    for row in range(5):
        row_of[100 * row + 100 : 100 * row + 104, 20:980] = row
    row_of[row_of == 1] = -1
    row_of[y : y + 4, columns] = 1
    return row_of


PIECES = [column for column in range(22, 976) if (column - 22) % 103 < 30]


@pytest.mark.parametrize(
    ("columns", "y", "name", "kept"),
    [
        (PIECES, 200, ("V2", 8.0, 44.0, 0.95), True),
        (PIECES, 200, ("V2", 8.0, 44.0, 0.6), False),  # not clearly read
        (PIECES, 200, ("V2", 120.0, 44.0, 0.95), False),  # not at its start
        (PIECES, 200, ("V1", 8.0, 37.0, 0.95), False),  # of the row above
        (PIECES, 140, ("V2", 8.0, 34.0, 0.95), False),  # not in step with the other rows
        (list(range(22, 322)), 200, ("V2", 8.0, 44.0, 0.95), False),  # short
        ([column for column in PIECES if column % 12 < 9], 200, ("V2", 8.0, 44.0, 0.95), False),  # letters
        (
            [column for column in range(22, 976) if (column - 22) % 190 < 17],
            200,
            ("V2", 8.0, 44.0, 0.95),
            False,
        ),  # next to nothing
    ],
)
def test_a_faint_row_with_its_name_at_its_start_is_kept(columns, y, name, kept):
    row_of = with_a_weak_row(columns, y)
    rows, removed = clean_rows([25.0, y / 4, 75.0, 100.0, 125.0], row_of, 4.0, named=False, names=[name])
    assert rows == ([25, 50, 75, 100, 125] if kept else [25, 75, 100, 125])
    assert removed == ([] if kept else [y / 4])
    assert (row_of[y, columns] == 1).all() if kept else (row_of[y] == -1).all()


def test_the_grid_gives_the_time_if_the_ends_of_the_rows_are_hidden(net, tmp_path):
    """As the frame of a chart hides them: here 2 or 6 mm at the beginning and 2 mm at the end."""

    def without_ends(slot: dict) -> None:
        late = 6 if slot["lead"] in LEADS[::2] else 2
        slot.update(x=slot["x"] + late, start=slot["start"] + late, width=slot["width"] - late - 2, pulse=None)

    page = drawn(tmp_path, "12x1", without_ends, dpi=130)
    found = digitize(page.image, net)
    assert found.speed == pytest.approx(25, abs=0.02)
    assert score(page, found.signal) > 12


def test_a_small_part_of_a_page_has_the_scale_of_its_grid(kit, net):
    """Two leads of 2.5 s; rows of 250 mm would be usual."""
    mm = kit.dpi / 25.4
    leads = [lead.pixels for lead in kit.leads if lead.name in ("V2", "V3") and np.ptp(lead.pixels[:, 0]) < 70 * mm]
    left, top = np.min([pixels.min(axis=0) for pixels in leads], axis=0).astype(int)
    right, bottom = np.max([pixels.max(axis=0) for pixels in leads], axis=0).astype(int)
    crop = kit.image[top - round(14 * mm) : bottom + round(3 * mm), left - round(3 * mm) : right + round(mm)]
    found = digitize(np.ascontiguousarray(crop), net)
    assert found.page.reading.geometry.pixels_per_mm == pytest.approx(mm, rel=0.02)
    assert [lead.name for lead in found.leads] == ["V2", "V3"]


def test_a_negative_is_read_although_some_of_its_names_are_read_in_the_dark(kit, net, monkeypatch):
    picture = 255 - kit.image
    dark = read_page(picture, net).names
    monkeypatch.setattr("ecgpipe.reader.page.legible", lambda names: 2.2 if names == dark else legible(names))
    found = digitize(picture, net)
    assert found.page.negative and score(kit, found.signal) > 12


def test_a_strip_that_was_read_as_another_chest_lead_is_named_by_its_trace(net, tmp_path):
    def other_strip(slot: dict) -> None:
        if slot["width"] > 200:
            slot["lead"] = "V5"  # under the name V3, as if it had been misread
            slot["name"]["text"] = "V3"

    page = drawn(tmp_path, "kit", other_strip, dpi=130)
    found = digitize(page.image, net)
    assert any(note.endswith("the name was read, but the trace is that of V5") for note in found.notes)
    assert np.isfinite(found.signal[10]).all() and np.isfinite(found.signal[8]).mean() < 0.3
