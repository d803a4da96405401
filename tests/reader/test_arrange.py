"""Names far from their leads, in other orders, or misread: which lead is where."""

import pytest

from ecgpipe.reader.leads import find_leads
from tests.reader.test_leads import BY_COLUMN, CHEST, LEFT, LIMB, MM, RIGHT, names_of, rows_of_traces

SIX_ROWS = [30.0 + 28 * row for row in range(6)]


@pytest.mark.parametrize("inside", [22, 30])
def test_one_column_of_names_within_the_rows_names_six_long_leads(inside) -> None:
    names = [(name, LEFT + inside, y, share) for name, _, y, share in names_of([LIMB], SIX_ROWS)][1:]
    found = find_leads(*rows_of_traces(SIX_ROWS), names, MM)
    assert found.layout == "6x1 limb" and found.agreement == 1
    assert [lead.right - lead.left for lead in found.leads] == pytest.approx([RIGHT - LEFT] * 6, abs=1)


def test_names_of_a_second_column_are_not_taken_for_the_only_one() -> None:
    names = names_of([LIMB, CHEST], SIX_ROWS)[6:]
    found = find_leads(*rows_of_traces(SIX_ROWS), names, MM)
    assert found.layout == "6x2" and [lead.name for lead in found.leads if lead.name_read] == list(CHEST)


def test_names_that_are_nearer_to_the_row_above_are_of_their_own() -> None:
    names = [(name, x, y - 11, share) for name, x, y, share in names_of([LIMB, CHEST], SIX_ROWS)]  # 17 mm above
    found = find_leads(*rows_of_traces(SIX_ROWS), names, MM)
    assert found.layout == "6x2" and all(lead.name_read for lead in found.leads)


def test_marks_that_look_like_a_name_do_not_hide_names_far_above_their_leads() -> None:
    """The separators of this page look like I."""
    baselines = [40.0, 74, 108, 142]
    columns = [*BY_COLUMN[:1], *BY_COLUMN[1:]]
    names = [(name, x, y - 12, share) for name, x, y, share in names_of(columns, baselines)]
    names += [("II", LEFT + 3, baselines[3] - 18, 0.9), *(("I", 120.0, y, 0.9) for y in baselines)]
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert found.layout == "3x4+1" and all(lead.name_read for lead in found.leads)


def test_names_of_rows_that_were_not_found_do_not_name_a_row_far_from_them() -> None:
    baselines = [100.0, 190]
    names = names_of(BY_COLUMN, [56.0, 100, 146])
    found = find_leads(*rows_of_traces(baselines), names, MM)
    assert {lead.name for lead in found.leads if lead.name_read} == {"II", "aVL", "V2", "V5"}


@pytest.mark.parametrize(("share", "followed"), [(0.95, True), (0.8, False)])
def test_leads_that_exchange_their_places_are_named_as_read(share, followed) -> None:
    exchanged = [("I", "II", "III", "aVL", "aVR", "aVF"), CHEST]
    names = [(name, x, y, share if name in ("aVL", "aVR") else 0.9) for name, x, y, _ in names_of(exchanged, SIX_ROWS)]
    found = find_leads(*rows_of_traces(SIX_ROWS), names, MM)
    order = [lead.name for lead in found.leads if lead.left < LEFT + 50]
    assert order == list(exchanged[0] if followed else LIMB)
    assert (found.layout, found.agreement == 1) == (("6x2, other order", True) if followed else ("6x2", False))
    assert all(lead.name_read for lead in found.leads) == followed


def test_a_name_that_was_read_twice_does_not_change_the_order() -> None:
    columns = [LIMB[:3], LIMB[3:], ("V1", "V3", "V3"), CHEST[3:]]
    names = [(name, x, y, 0.95) for name, x, y, _ in names_of(columns, SIX_ROWS[:3])]
    found = find_leads(*rows_of_traces(SIX_ROWS[:3]), names, MM)
    assert found.layout == "3x4" and {lead.name for lead in found.leads} == {*LIMB, *CHEST}


@pytest.mark.parametrize(("share", "layout"), [(0.65, "1x1 unknown"), (0.95, "1x1 by names")])
def test_a_single_lead_is_only_named_by_a_name_that_is_certain(share, layout) -> None:
    found = find_leads(*rows_of_traces([60.0]), [("V6", LEFT - 5, 62.0, share)], MM)
    assert found.layout == layout and found.known == (share > 0.9)


@pytest.mark.parametrize(("share", "read"), [(0.64, False), (0.9, True)])
def test_a_strip_is_only_named_by_a_name_that_is_certain(share, read) -> None:
    baselines = [30.0, 60, 90, 120]
    found = find_leads(*rows_of_traces(baselines), [*names_of(BY_COLUMN, baselines), ("V6", 23, 114, share)], MM)
    assert found.leads[-1].strip and found.leads[-1].name_read == read and not found.doubtful


def test_what_is_said_about_pages_of_an_unknown_layout() -> None:
    baselines = [30.0, 64, 98]
    found = find_leads(*rows_of_traces(baselines), names_of([("II", "II", "II")], baselines), MM)
    assert found.described == "3 rows of traces, all named II: one lead that continues from row to row"
    assert find_leads(*rows_of_traces([30.0, 60]), [], MM).described == "2 rows of traces"
    assert find_leads(*rows_of_traces([30.0]), [], MM).described == "1 row of traces"


def test_the_two_columns_of_ecg_image_kit_are_known_if_some_names_are_misread() -> None:
    columns = [("V1", "I", "V2", "II", "V3", "III"), ("V4", "aVR", "V5", "aVL", "V6", "aVF")]
    names = [each for each in names_of(columns, SIX_ROWS) if each[0] not in ("I", "aVR", "V4")]
    names += [("aVF", LEFT + (RIGHT - LEFT) / 2 + 3, SIX_ROWS[1] - 6, 0.8)]  # aVR
    found = find_leads(*rows_of_traces(SIX_ROWS), names, MM)
    assert found.layout == "6x2 ECG-Image-Kit" and [lead.name for lead in found.leads[:4]] == ["V1", "V4", "I", "aVR"]
