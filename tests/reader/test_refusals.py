"""Pages whose leads are too short or on their side, and what is said about them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.notes import misplaced_names, names_left_out
from ecgpipe.reader.page import _is_better, understand_page
from ecgpipe.reader.read import FoundName
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats
from tests.reader.test_leads import CHEST, LIMB


def page_with(names: list[tuple[str, float]], rows: list[float], removed: list[float]) -> SimpleNamespace:
    """A page with names (name, mm below the upper edge); the first of them was read at its lead."""
    lead = SimpleNamespace(name=names[0][0], name_read=True)
    return SimpleNamespace(
        reading=SimpleNamespace(names=tuple(FoundName(name, 10.0, y, 0.9) for name, y in names)),
        frame=SimpleNamespace(to_mm=lambda points: points),
        leads=SimpleNamespace(rows=rows, removed=removed, leads=[lead]),
    )


def test_names_of_lines_that_are_no_rows_are_listed() -> None:
    names = [("II", 94.0), ("III", 140.0), ("I", 50.0), ("I", 51.0), ("II", 52.0), ("V1", 96.0), ("V2", 250.0)]
    assert names_left_out(page_with(names, [100.0], [56.0, 146.0])) == ["III", "I"]
    assert names_left_out(page_with(names, [100.0], [])) == []


def test_names_are_misplaced_if_none_is_at_its_lead() -> None:
    lead = SimpleNamespace(left=20.0, strip=False)
    leads = [SimpleNamespace(**vars(lead) | {"name": name, "baseline": y}) for name, y in (("I", 50.0), ("II", 80.0))]

    def with_names(*names: tuple[str, float, float]) -> SimpleNamespace:
        found = tuple(FoundName(*name, 0.9) for name in names)
        return SimpleNamespace(
            reading=SimpleNamespace(names=found),
            frame=SimpleNamespace(to_mm=lambda points: points),
            leads=SimpleNamespace(leads=leads),
        )

    wrong = [("V3", 22.0, 45.0), ("V5", 22.0, 76.0), ("V5", 23.0, 76.0), ("V6", 22.0, 160.0), ("V1", 100.0, 50.0)]
    assert misplaced_names(with_names(*wrong)) == ["V3", "V5"]
    assert misplaced_names(with_names(*wrong, ("II", 22.0, 76.0))) == []
    assert misplaced_names(with_names(*wrong, ("II", 22.0, 45.0))) == ["V3", "V5", "II"]


@pytest.mark.parametrize("named", [True, False])
def test_rows_of_other_leads_are_not_digitized_as_twelve_if_a_name_is_illegible(named, net, tmp_path) -> None:
    """Three long rows, which obey one of the two relations of limb leads, if they are taken for 3x4."""
    noise = np.cumsum(np.random.default_rng(0).normal(0, 0.05, (12, 500)), axis=1)
    signal = np.repeat(noise - noise.mean(axis=1, keepdims=True), 10, axis=1).clip(-1, 1).astype(np.float32)
    signal[9, :1250] = signal[8, :1250] + signal[10, :1250]
    signal[9:11, 1250:2500] = signal[8, 1250:2500]
    layout = layout_named("kit").model_dump(mode="json")
    rows = [slot for slot in layout["slots"][:-1] if slot["lead"] in ("I", "II", "III")]
    for slot, lead in zip(rows, ("V3", "V4", "V5"), strict=True):
        text = slot["name"] | {"text": lead} if named and lead != "V4" else None
        slot |= {"lead": lead, "width": 4 * slot["width"], "name": text}
    (tmp_path / "rows.json").write_text(json.dumps(layout | {"slots": rows}))
    page = render_page(signal, 500, RenderConfig(layout=str(tmp_path / "rows.json"), dpi=130))
    if not named:  # without names, one of the relations is enough
        assert digitize(page.image, net).page.leads.layout == "3x4"
        return
    with pytest.raises(DataError, match=r"V3\) do not fit 3x4.*contradict"):
        digitize(page.image, net)


def test_a_page_whose_leads_are_much_shorter_than_its_strip_is_refused(net, tmp_path) -> None:
    layout = layout_named("kit").model_dump()
    for slot in layout["slots"][:-1]:
        slot["width"] = 20
    (tmp_path / "short.json").write_text(json.dumps(layout))
    page = render_page(beats(), 500, RenderConfig(layout=str(tmp_path / "short.json"), dpi=130))
    with pytest.raises(DataError, match="much shorter than the longest row"):
        digitize(page.image, net)


def reading_of(names: list[str], length: float) -> SimpleNamespace:
    """A page with these names and one row of clear traces that covers this share of it, on a grid."""
    row_of = np.full((10, 100), -1, np.int8)
    row_of[5, : round(100 * length)] = 0
    return SimpleNamespace(
        reading=SimpleNamespace(names=tuple(FoundName(name, 0.0, 0.0, 0.9) for name in names), grid_found=True),
        leads=SimpleNamespace(row_of=row_of, rows=[5.0]),
        trace=np.where(row_of >= 0, 0.95, 0.0),
    )


@pytest.mark.parametrize(
    ("turned", "page", "better"),
    [
        (([], 0.9), ([*LIMB, *CHEST], 0.7), False),  # names decide
        (([*LIMB], 0.7), (["V1"], 0.9), True),
        (([], 0.9), ([], 0.7), True),  # the longer rows
        ((["I", "II"], 0.7), (["I", "V1"], 0.9), False),
        (([], 0.5), ([], 0.7), False),  # only one of them is an ECG
        ((["I", "II", "III"], 0.5), ([], 0.7), False),
        (([], 0.7), ([], 0.5), True),
    ],
)
def test_the_names_decide_whether_a_page_lies_on_its_side(turned, page, better) -> None:
    assert _is_better(reading_of(*turned), reading_of(*page)) == better


def test_a_page_with_short_traces_is_said_to_be_one(net, monkeypatch) -> None:
    page = render_page(beats(), 500, RenderConfig(dpi=130))
    monkeypatch.setattr("ecgpipe.reader.page._longest_row", lambda leads: 0.18)
    with pytest.raises(DataError, match="covers only 18%"):
        understand_page(page.image, net)
