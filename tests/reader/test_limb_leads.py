"""What Einthoven's and Goldberger's relations reveal."""

import numpy as np
import pytest

from ecgpipe.artifacts.signals import LEADS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.limb_leads import continued_limb_leads, contradictions, row_shifts
from ecgpipe.render.page import render_page

RATE = 500
ROWS = {"I": 0, "II": 1, "III": 2, "aVR": 0, "aVL": 1, "aVF": 2}


def limb_leads(seed: int = 0) -> np.ndarray:
    """(12, 5000) mV: narrow beats of different shape in I and III, and the leads that follow from these."""
    rng = np.random.default_rng(seed)
    time = np.arange(5000) / RATE % 0.8 - 0.4
    first = np.exp(-((time / 0.015) ** 2)) + 0.2 * np.exp(-(((time - 0.2) / 0.04) ** 2))
    third = -0.6 * np.exp(-(((time - 0.02) / 0.012) ** 2)) + 0.1 * np.exp(-(((time - 0.22) / 0.05) ** 2))
    second = first + third
    limbs = [first, second, third, -(first + second) / 2, first - second / 2, second - first / 2]
    return np.array([*limbs, *(rng.uniform(0.5, 1) * first for _ in range(6))]) + rng.normal(0, 0.005, (12, 5000))


def test_rows_in_step_are_not_moved() -> None:
    assert row_shifts(limb_leads(), RATE, ROWS) == {} and contradictions(limb_leads(), RATE) == []


@pytest.mark.parametrize(("upper", "lower"), [(20, 0), (-12, 16), (0, -24)])
def test_rows_out_of_step_are_moved_back(upper, lower) -> None:
    signal = limb_leads()
    for names, samples in ((("I", "AVR"), upper), (("III", "AVF"), lower)):
        for name in names:
            signal[LEADS.index(name)] = np.roll(signal[LEADS.index(name)], samples)
    wanted = {row: -samples / RATE for row, samples in ((0, upper), (2, lower)) if samples}
    assert row_shifts(signal, RATE, ROWS) == pytest.approx(wanted, abs=0.005)


@pytest.mark.parametrize(
    "late", [{"I": 20}, {"III": -16, "aVF": 12}, {"aVR": 20, "aVL": 20, "aVF": 20}, {"aVR": -8, "aVL": 12}]
)
def test_six_rows_out_of_step_are_moved_back(late) -> None:
    signal, rows = limb_leads(), {name: row for row, name in enumerate(ROWS)}
    for name, samples in late.items():
        signal[LEADS.index(name.upper())] = np.roll(signal[LEADS.index(name.upper())], samples)
    wanted = {rows[name]: -samples / RATE for name, samples in late.items()}
    found = row_shifts(signal, RATE, rows)
    assert {row: found.get(row, 0) for row in range(6)} == pytest.approx(
        {row: wanted.get(row, 0) for row in range(6)}, abs=0.005
    )


@pytest.mark.parametrize(
    "rows",
    [
        ROWS | {"III": 1},
        {name: row for row, name in enumerate(ROWS)} | {"aVR": 2},
        {name: row for name, row in ROWS.items() if name != "aVF"},
    ],
)
def test_other_rows_of_limb_leads_are_not_moved(rows) -> None:
    signal = limb_leads()
    signal[0] = np.roll(signal[0], 20)
    assert row_shifts(signal, RATE, rows) == {}


def test_leads_that_fit_at_no_shift_are_not_moved_but_reported() -> None:
    signal = limb_leads()
    signal[2] = np.random.default_rng(1).normal(0, 0.5, 5000)
    assert row_shifts(signal, RATE, ROWS) == {}
    assert contradictions(signal, RATE) == [
        "I, II and III contradict each other: their names, times or heights may be wrong; see the overlay"
    ]


def test_a_row_that_is_printed_late_is_moved_in_the_recording(net) -> None:
    signal = limb_leads()
    late = signal.copy()
    for name in ("I", "AVR", "V1", "V4"):
        late[LEADS.index(name)] = np.roll(signal[LEADS.index(name)], 20)
    found = digitize(render_page(late, RATE, RenderConfig(layout="kit", dpi=150)).image, net, RATE)
    moved = "moved in time, so that the limb leads fit each other: row 1 by -40 ms"
    assert moved in found.notes or moved.replace("40", "36") in found.notes
    first, second = (int(np.argmax(found.signal[lead, 450:750])) for lead in (0, 1))
    true = [int(np.argmax(signal[lead, 450:750])) for lead in (0, 1)]
    assert abs(first - second - (true[0] - true[1])) <= 3


def continued() -> np.ndarray:
    """(12, 5000) mV: the limb leads, and what follows of them in place of V1 to V6."""
    signal = limb_leads()
    signal[6:] = np.roll(signal[:6], 700, axis=1)
    return signal


def test_limb_leads_in_place_of_chest_leads_are_recognized() -> None:
    assert continued_limb_leads(continued(), RATE) and not continued_limb_leads(limb_leads(), RATE)
    unknown = continued()
    unknown[6:9] = np.nan
    assert not continued_limb_leads(unknown, RATE) and not continued_limb_leads(np.zeros((12, 5000)), RATE)


def test_six_long_leads_without_names_are_not_digitized_as_twelve(net) -> None:
    page = render_page(continued(), RATE, RenderConfig(layout="6x2", dpi=130, lead_names=False))
    with pytest.raises(DataError, match="the limb leads at a later time"):
        digitize(page.image, net)
