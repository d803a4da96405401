"""Leads from traces and names: rows, layouts, and what is missing."""

from types import SimpleNamespace

import numpy as np
import pytest

from ecgpipe.errors import ConfigError
from ecgpipe.reader.leads import find_leads
from ecgpipe.reader.rows import one_run_per_column
from ecgpipe.reader.templates import read_templates
from ecgpipe.reader.timing import page_time

LIMB, CHEST = ("I", "II", "III", "aVR", "aVL", "aVF"), ("V1", "V2", "V3", "V4", "V5", "V6")

MM = 4.0  # pixels
LEFT, RIGHT = 20, 270  # mm


def rows_of_traces(baselines: list[float], deep: dict[int, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Probability and offset of a page of level traces, with a spike every 20 mm; ``deep``: mm down, by row."""
    shape = int((max(baselines) + 40) * MM), int(290 * MM)
    trace, offset = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row, baseline in enumerate(baselines):
        spike = (deep or {}).get(row, -8.0)
        for column in range(int(LEFT * MM), int(RIGHT * MM)):
            away = spike if column % int(20 * MM) < 3 else 0.0
            top, bottom = sorted((baseline, baseline + away))
            for y in range(int(top * MM), int(bottom * MM) + 2):
                trace[y, column], offset[y, column] = 0.9, baseline - y / MM
    return trace, offset


def names_of(columns: list[tuple[str, ...]], baselines: list[float]) -> list[tuple[str, float, float, float]]:
    width = (RIGHT - LEFT) / len(columns)
    return [
        (name, LEFT + column * width + 3, baselines[row] - 6, 0.9)
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    ]


BY_COLUMN = [LIMB[:3], LIMB[3:], CHEST[:3], CHEST[3:]]


def test_the_common_layout_with_a_rhythm_strip() -> None:
    baselines = [30.0, 60, 90, 120]
    found = find_leads(*rows_of_traces(baselines), [*names_of(BY_COLUMN, baselines), ("V1", 23, 114, 0.9)], MM)
    assert found.layout == "3x4+1" and found.agreement == 1
    assert np.allclose(found.rows, baselines, atol=1)
    by_name = {lead.name: lead for lead in found.leads if not lead.strip}
    assert list(by_name) == [name for row in range(3) for name in [column[row] for column in BY_COLUMN]]
    assert by_name["V2"].left == pytest.approx(LEFT + 125, abs=1) and by_name["V2"].row == 1
    assert all(lead.name_read and lead.coverage > 0.99 and not lead.gaps for lead in found.leads)
    (strip,) = [lead for lead in found.leads if lead.strip]
    assert (strip.name, strip.row) == ("V1", 3)


def test_without_names_the_usual_order_is_assumed() -> None:
    found = find_leads(*rows_of_traces([30.0, 60, 90]), [], MM)
    assert found.layout == "3x4" and found.agreement == 0
    assert not any(lead.name_read for lead in found.leads)


def test_names_show_the_cabrera_order() -> None:
    baselines = [30.0, 50, 70, 90, 110, 130]
    columns = [("aVL", "I", "aVR", "II", "aVF", "III"), CHEST]
    assert find_leads(*rows_of_traces(baselines), names_of(columns, baselines), MM).layout == "6x2 Cabrera"


def test_a_wave_that_crosses_another_row_stays_with_its_own() -> None:
    baselines = [30.0, 50, 70]
    trace, offset = rows_of_traces(baselines, {0: 28.0})  # deeper than the next baseline
    found = find_leads(trace, offset, [], MM)
    assert np.allclose(found.rows, baselines, atol=1)
    deep = int(LEFT * MM) + 1
    assert found.row_of[int(56 * MM), deep - deep % int(20 * MM) + int(20 * MM)] == 0


def test_the_edge_of_the_page_belongs_to_no_row() -> None:
    baselines = [100.0, 130, 160, 190]
    trace, offset = rows_of_traces(baselines)
    edge = np.s_[:8, int(150 * MM) : int(RIGHT * MM)]  # thicker than the traces of V1 and V4 below it
    trace[edge], offset[edge] = 0.9, np.linspace(0, 60, offset[edge].shape[1])
    found = find_leads(trace, offset, names_of(BY_COLUMN, baselines[:3]), MM)
    assert (found.row_of[:10] == -1).all()
    assert (found.row_of[int(100 * MM), int(150 * MM) : int(RIGHT * MM)] == 0).all()


def test_a_rule_above_the_rows_is_no_row() -> None:
    baselines = [30.0, 60, 90, 120]
    trace, offset = rows_of_traces([10.0, *baselines], {0: 0.0})
    found = find_leads(trace, offset, names_of(BY_COLUMN, baselines), MM)
    assert found.layout == "3x4+1" and np.allclose(found.rows, baselines, atol=1)
    assert np.allclose(found.removed, 10, atol=1)
    assert not (found.row_of[: int(20 * MM)] >= 0).any()
    assert set(np.unique(found.row_of)) == {-1, 0, 1, 2, 3}


def test_a_row_of_leads_that_were_not_connected_stays() -> None:
    baselines = [30.0, 60, 90, 120]
    found = find_leads(*rows_of_traces(baselines, {1: 0.0}), names_of(BY_COLUMN, baselines), MM)
    assert found.layout == "3x4+1" and np.allclose(found.rows, baselines, atol=1)


def test_a_rule_is_told_apart_from_a_lead_that_was_not_connected() -> None:
    baselines = [30.0, 60, 90, 120, 150, 180]
    trace, offset = rows_of_traces([*baselines, 200.0], {5: 0.0, 6: 0.0})  # the flat lead aVF, and a rule below it
    found = find_leads(trace, offset, names_of([LIMB], baselines), MM)
    assert [lead.name for lead in found.leads] == list(LIMB)
    assert np.allclose(found.removed, 200, atol=1)


def test_a_thin_wandering_row_is_kept_beside_a_thick_one() -> None:
    trace, offset = rows_of_traces([30.0, 60])
    columns = np.arange(int(LEFT * MM), int(RIGHT * MM))
    noise = np.s_[int(57 * MM) : int(63 * MM), columns[0] : columns[-1] + 1]
    trace[noise] = 0.9
    offset[noise] = 60 - np.arange(int(57 * MM), int(63 * MM))[:, None] / MM
    wander = ((90 + 6 * np.sin(columns / columns[-1] * 20)) * MM).astype(int)
    trace[wander, columns] = 0.9  # its baseline is where it is: the network does not know about the wander
    assert np.allclose(find_leads(trace, offset, [], MM).rows, [30, 60, 90], atol=4)


def test_names_outside_of_all_rows_do_not_hide_the_leads() -> None:
    baselines = [30.0, 60, 90]
    names = [(name, x + 400, y, share) for name, x, y, share in names_of(BY_COLUMN, baselines)]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert {lead.name for lead in found.leads} == {*LIMB, *CHEST}
    assert all(lead.coverage > 0.99 for lead in found.leads)


def test_a_missing_stretch_is_a_gap() -> None:
    trace, offset = rows_of_traces([30.0, 60, 90])
    trace[: int(45 * MM), int(90 * MM) : int(120 * MM)] = 0
    found = find_leads(trace, offset, [], MM)
    lead = next(lead for lead in found.leads if lead.name == "aVR")
    (gap,) = lead.gaps
    assert gap == pytest.approx((90, 120), abs=1)
    assert lead.coverage == pytest.approx(1 - 30 / 62.5, abs=0.02)


def test_an_unknown_number_of_rows_is_reported_with_the_names_that_were_read() -> None:
    baselines = [20.0 + 15 * row for row in range(10)]
    found = find_leads(*rows_of_traces(baselines), [("V9", 23, 14, 0.9)], MM)
    assert found.layout == "10x1 unknown" and [lead.name for lead in found.leads] == ["V9"] + ["?"] * 9


def test_a_row_has_one_run_per_column() -> None:
    own = np.zeros((60, 100), bool)
    own[40:43] = True
    own[5:7, 30:60] = True  # a rule above
    own[20:43, 70] = True  # a wave
    own[25, 20] = True  # a speck
    own[40:43, 90:] = False
    own[50:53, 90:] = True  # the trace goes on lower
    row_of = np.where(own, 0, -1).astype(np.int8)
    one_run_per_column(row_of, 1)
    kept = row_of == 0
    assert not kept[5:7].any() and not kept[25, 20]
    assert kept[20:43, 70].all() and kept[50:53, 90:].all() and kept[40:43, :90].all()


def test_pieces_of_a_separator_are_not_trace_but_waves_are() -> None:
    trace, offset = rows_of_traces([30.0, 60, 90])
    column = int(110 * MM)
    trace[:, column : column + 2] = 0
    for baseline in (30.0, 60, 90):
        for start, stop in ((-12, -5), (4, 12)):
            part = np.s_[int((baseline + start) * MM) : int((baseline + stop) * MM), column : column + 2]
            trace[part] = 0.9
            offset[part] = baseline - np.arange(part[0].start, part[0].stop)[:, None] / MM
    found = find_leads(trace, offset, [], MM)
    assert (found.row_of[:, column : column + 2] < 0).all()
    assert (found.row_of[:, int(100 * MM) : int(100 * MM) + 3] >= 0).sum() > 3 * 3 * 8 * MM * 0.9  # the waves of 8 mm


def test_no_trace_no_leads() -> None:
    empty = np.zeros((100, 100), np.float32)
    assert find_leads(empty, empty, [], MM) is None


def test_a_trace_whose_baseline_is_off_the_page_is_no_row() -> None:
    trace = np.zeros((100, 300), np.float32)
    trace[50] = 0.9
    assert find_leads(trace, np.full(trace.shape, 30, np.float32), [], MM) is None


def test_a_page_with_one_named_lead_in_each_row_is_named_by_its_names() -> None:
    """Three leads of 10 s are not the first column of 3x4."""
    baselines = [30.0, 60, 90]
    found = find_leads(*rows_of_traces(baselines), names_of([("I", "V1", "V5")], baselines), MM)
    assert found.layout == "3x1 by names" and [lead.name for lead in found.leads] == ["I", "V1", "V5"]
    found = find_leads(*rows_of_traces(baselines), names_of(BY_COLUMN, baselines)[:11], MM)
    assert found.layout == "3x4"


def cut(columns: list[tuple[str, ...]], baselines: list[float], left: float, right: float):
    """The traces and names of a page that shows only what is between two places, in mm."""
    trace, offset = rows_of_traces(baselines)
    trace[:, : int(left * MM)] = 0
    trace[:, int(right * MM) :] = 0
    return trace, offset, [name for name in names_of(columns, baselines) if left < name[1] < right]


def test_a_page_that_was_cut_on_the_right_keeps_its_columns() -> None:
    found = find_leads(*cut(BY_COLUMN, [30.0, 60, 90], 0, 190), MM)
    assert found.layout == "3x4, 3 of 4 columns"
    by_name = {lead.name: lead for lead in found.leads}
    assert set(by_name) == {*LIMB, "V1", "V2", "V3"}
    assert by_name["V1"].left == pytest.approx(145, abs=2) and by_name["V1"].right == pytest.approx(190, abs=1)


def test_one_column_is_not_taken_for_four_although_a_name_was_misread() -> None:
    trace, offset, names = cut(BY_COLUMN, [30.0, 60, 90], 0, 82)
    found = find_leads(trace, offset, [("III" if name == "II" else name, *rest) for name, *rest in names], MM)
    assert found.layout == "3x4, column 1 of 4" and [lead.name for lead in found.leads] == ["I", "II", "III"]


def test_the_upper_half_of_two_columns_is_not_taken_for_four() -> None:
    baselines = [30.0, 60, 90]
    trace, offset = rows_of_traces(baselines)
    found = find_leads(trace, offset, names_of([LIMB[:3], CHEST[:3]], baselines), MM)
    assert found.layout == "6x2, rows 1 to 3" and len(found.leads) == 6


def test_a_page_that_was_cut_on_the_left_keeps_the_rest_of_the_first_column() -> None:
    found = find_leads(*cut(BY_COLUMN, [30.0, 60, 90], 50, 300), MM)
    assert found.layout == "3x4"
    by_name = {lead.name: lead for lead in found.leads}
    assert by_name["II"].left == pytest.approx(50, abs=1) and by_name["II"].right == pytest.approx(82.5, abs=2)
    assert not by_name["II"].name_read and by_name["aVL"].name_read


@pytest.mark.parametrize("right", [258, 278])
def test_names_locate_columns_if_the_last_one_is_cut_or_longer(right) -> None:
    baselines = [30.0, 60, 90]
    trace, offset = rows_of_traces(baselines)
    if right > RIGHT:
        trace[:, int(RIGHT * MM) : int(right * MM)] = trace[:, int((RIGHT - 2) * MM), None]
        offset[:, int(RIGHT * MM) : int(right * MM)] = offset[:, int((RIGHT - 2) * MM), None]
    trace[:, int(right * MM) :] = 0
    found = find_leads(trace, offset, names_of(BY_COLUMN, baselines), MM)
    lefts = sorted({round(lead.left, 1) for lead in found.leads})
    assert lefts == pytest.approx([LEFT, LEFT + 62.5, LEFT + 125, LEFT + 187.5], abs=0.5)
    assert max(lead.right for lead in found.leads) == pytest.approx(right, abs=0.5)


def test_a_page_that_was_cut_below_is_named_by_its_names() -> None:
    baselines = [30.0, 60]
    names = [name for name in names_of(BY_COLUMN, [*baselines, 90]) if name[2] < 60]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert found.layout == "3x4, rows 1 to 2"
    assert [lead.name for lead in found.leads] == ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5"]


@pytest.mark.parametrize("below", [-11, 8])
def test_names_nearer_to_another_row_are_of_their_own(below) -> None:
    baselines = [30.0 + 14 * row for row in range(12)]
    names = [(name, x, y + 6 + below, share) for name, x, y, share in names_of([LIMB + CHEST], baselines)]
    found = find_leads(*rows_of_traces(baselines, dict.fromkeys(range(12), -5.0)), names, MM)
    assert found.layout == "12x1" and all(lead.name_read for lead in found.leads)


@pytest.mark.parametrize(("along", "stretch"), [(20, 1), (50, 1), (-5, 1.08), (0, 0.92)])
def test_names_at_other_places_of_their_leads_do_not_move_the_columns(along, stretch) -> None:
    """In the middle or at the end of their leads, or farther apart or closer than the columns of complete rows."""
    baselines = [30.0, 60, 90]
    names = [
        (name, LEFT + (x - LEFT) * stretch + along, y, share) for name, x, y, share in names_of(BY_COLUMN, baselines)
    ]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert found.layout == "3x4" and all(lead.name_read for lead in found.leads)
    lefts = sorted({round(lead.left, 1) for lead in found.leads})
    assert lefts == pytest.approx([LEFT, LEFT + 62.5, LEFT + 125, LEFT + 187.5], abs=0.5)


def test_leads_recorded_in_place_of_others_keep_their_printed_names() -> None:
    baselines = [30.0, 60, 90]
    names = names_of([*BY_COLUMN[:3], ("V7", "V8", "V9")], baselines)
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert found.layout == "3x4" and all(lead.name_read for lead in found.leads)
    assert [lead.name for lead in found.leads if lead.left > LEFT + 180] == ["V7", "V8", "V9"]
    assert {lead.name for lead in found.leads} == {*LIMB, "V1", "V2", "V3", "V7", "V8", "V9"}


def test_two_rows_without_names_are_not_taken_for_twelve_leads() -> None:
    found = find_leads(*rows_of_traces([30.0, 60]), [], MM)
    assert not found.known and found.layout == "2x1 unknown"


def test_names_left_of_their_rows_are_read() -> None:
    baselines = [30.0 + 14 * row for row in range(12)]
    names = [(name, x - 20, y, share) for name, x, y, share in names_of([CHEST + LIMB], baselines)]
    found = find_leads(*rows_of_traces(baselines, dict.fromkeys(range(12), -5.0)), names, MM)
    assert [lead.name for lead in found.leads] == [*CHEST, *LIMB] and all(lead.name_read for lead in found.leads)
    assert all(lead.left == pytest.approx(LEFT, abs=1) and lead.coverage > 0.99 for lead in found.leads)


def test_names_do_not_name_the_rows_far_above_them() -> None:
    """The rhythm strip of this page is its first row, unlike in all layouts."""
    baselines = [30.0, 64, 98, 132]
    names = [("II", 23, 24, 0.9), *names_of(BY_COLUMN, baselines[1:])]
    assert find_leads(*rows_of_traces(baselines), names, MM).agreement < 0.5


def test_a_lead_that_continues_from_row_to_row_is_not_taken_for_twelve_leads() -> None:
    baselines = [30.0, 64, 98]
    found = find_leads(*rows_of_traces(baselines), names_of([("II", "II", "II")], baselines), MM)
    assert not found.known and found.layout == "3x1 unknown"


def test_a_row_whose_names_do_not_fit_is_doubtful() -> None:
    """The third row was not found, so that the strip is in its place."""
    baselines = [30.0, 64, 132]
    names = [*names_of(BY_COLUMN, [30.0, 64, 98]), ("II", 23, 126, 0.9)]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert found.layout == "3x4" and found.doubtful == (2,)
    assert find_leads(*rows_of_traces([30.0, 64, 98]), names[:-1], MM).doubtful == ()


def test_columns_that_do_not_fill_the_rows_keep_their_width(monkeypatch) -> None:
    """Five columns of 2 s, of which the layout has four, above a strip of 10 s."""
    baselines = [30.0, 60, 90, 120]
    names = [*names_of([*BY_COLUMN, ("V3R", "V4R", "V7")], baselines), ("II", 23, 114, 0.9)]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    monkeypatch.setattr("ecgpipe.reader.timing._at_a_line", lambda page, left, lefts: left)
    page = SimpleNamespace(leads=found, reading=SimpleNamespace(grid_found=True, names=()))
    leads, time, _ = page_time(page)
    assert time.seconds == 10
    (v1,) = [lead for lead in leads if lead.name == "V1"]
    assert [time.at(x, 0) for x in (v1.left, v1.right)] == pytest.approx([4, 6], abs=0.05)


def test_the_name_of_a_strip_is_at_its_start() -> None:
    baselines = [30.0, 60, 90, 120]
    strip = [("V6", 150, 114, 0.95), ("II", 23, 114, 0.6)]
    found = find_leads(*rows_of_traces(baselines), [*names_of(BY_COLUMN, baselines), *strip], MM)
    assert found.layout == "3x4+1" and found.leads[-1].strip and found.leads[-1].name == "II"


@pytest.mark.parametrize(
    ("columns", "cabrera"),
    [
        ([CHEST[:3], CHEST[3:], ("aVL", "I", "aVR"), ("II", "aVF", "III")], True),
        ([("aVL", "I", "aVR"), ("II", "aVF", "III"), CHEST[:3], CHEST[3:]], True),
        (BY_COLUMN, False),
    ],
)
def test_cabreras_order_is_known_by_its_leads(columns, cabrera) -> None:
    baselines = [30.0, 60, 90, 120]
    names = [*names_of(columns, baselines), ("II", 23, 114, 0.9)]
    assert find_leads(*rows_of_traces(baselines), names, MM).cabrera == cabrera


def test_leads_in_an_order_of_their_own_are_named_as_read() -> None:
    baselines = [30.0, 60, 90]
    columns = [("V4", "aVL", "I"), ("V6", "II", "V1"), ("aVF", "V2", "aVR"), ("V3", "III", "V5")]
    found = find_leads(*rows_of_traces(baselines), names_of(columns, baselines)[:-1], MM)
    assert found.layout.endswith("other order")
    assert [lead.name for lead in found.leads] == [
        *("V4", "V6", "aVF", "V3"), *("aVL", "II", "V2", "III"), *("I", "V1", "aVR", "?"),
    ]  # fmt: skip


def test_the_templates_have_all_leads_once() -> None:
    layouts = read_templates()
    assert len({layout.name for layout in layouts}) == len(layouts) == 41
    for layout in layouts:
        names = [name for column in layout.columns for name in column]
        assert len(names) == len(set(names)) and len({len(column) for column in layout.columns}) == 1
    assert {(layout.name, layout.rows) for layout in layouts} >= {("3x4+1", 4), ("12x1", 12), ("6x2 Cabrera+3", 9)}


def test_a_users_layout_is_chosen_if_the_names_support_it(tmp_path) -> None:
    file = tmp_path / "layouts.yaml"
    file.write_text("- {name: mine, columns: [[V1, V2, V3], [I, II, III]]}")
    baselines = [30.0, 60, 90]
    names = names_of([CHEST[:3], LIMB[:3]], baselines)
    found = find_leads(*rows_of_traces(baselines), names, MM, (*read_templates(), *read_templates(file)))
    assert found.layout == "mine" and found.agreement == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: mine, columns: [[V1], [I, II]]}", "same number"),
        ("- {name: mine, columns: [[V77]]}", "V77"),
        ("- {name: mine}", "columns"),
        ("hello", "list"),
        (": : :", "not a file of page layouts"),
    ],
)
def test_a_file_of_layouts_with_a_mistake_is_refused(tmp_path, text, message) -> None:
    file = tmp_path / "layouts.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_templates(file)
