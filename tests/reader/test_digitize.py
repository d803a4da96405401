"""From a page to a recording, and the files of `ecgpipe digitize`."""

import json

import cv2
import numpy as np
import pytest
import wfdb
from PIL import Image

from ecgpipe.artifacts.page_names import RECORD_OTHERS, page_stem
from ecgpipe.artifacts.resampling import resample_with_gaps
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.cli.main import main
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.output import ReadFolder
from ecgpipe.reader.quality import challenge_score, compare_lead
from ecgpipe.reader.record import RecordFolder, write_record
from ecgpipe.reader.scales import Pulses
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats

SIGNAL = beats()


@pytest.fixture(scope="module")
def page():
    return render_page(SIGNAL, 500, RenderConfig(layout="6x2", dpi=150))


@pytest.fixture(scope="module")
def recording(page, net):
    return digitize(page.image, net, 500)


def test_every_lead_is_like_the_signal_in_millivolts(recording):
    assert recording.signal.shape[0] == 12 and abs(recording.signal.shape[1] - 5000) < 60
    for lead, name in enumerate(LEADS):
        column = lead // 6
        start, stop = 2500 * column + 100, min(2500 * (column + 1), recording.signal.shape[1]) - 150
        found, best = recording.signal[lead, start:stop], 0.0
        assert np.isnan(found).mean() < 0.1, name
        known = ~np.isnan(found)
        for shift in range(-40, 41):
            true = SIGNAL[lead, start + shift : stop + shift][known]
            best = max(best, float(np.corrcoef(true, found[known])[0, 1]))
        assert best > 0.93, name
        assert np.ptp(found[known]) == pytest.approx(np.ptp(SIGNAL[lead, start:stop]), rel=0.25, abs=0.1), name
        assert np.isnan(recording.signal[lead, 2600:4900] if column == 0 else recording.signal[lead, 100:2400]).all()


@pytest.mark.parametrize("printed", ["-aVR", "aVR"])
def test_a_page_in_cabrera_order_that_shows_minus_avr_gives_avr(printed, net, tmp_path):
    order = {"I": "aVL", "II": "I", "III": "AVR", "AVR": "II", "AVL": "AVF", "AVF": "III"}
    layout = layout_named("6x2").model_dump()
    for slot in layout["slots"]:
        slot["lead"] = order.get(slot["lead"].upper(), slot["lead"]).upper()
        slot["name"]["text"] = printed if slot["lead"] == "AVR" else PRINTED_NAMES[LEADS.index(slot["lead"])]
    (tmp_path / "cabrera.json").write_text(json.dumps(layout))
    signal = SIGNAL.copy()
    signal[2:6] = np.stack([signal[1] - signal[0], -(signal[0] + signal[1]) / 2, signal[0] - signal[1] / 2,
                            signal[1] - signal[0] / 2])  # fmt: skip
    true = signal[3].copy()
    signal[3] *= -1 if printed == "-aVR" else 1
    page = render_page(signal, 500, RenderConfig(layout=str(tmp_path / "cabrera.json"), dpi=150))
    found = digitize(page.image, net, 500)
    assert found.page.leads.layout == "6x2 Cabrera"
    known = ~np.isnan(found.signal[3, :2400])
    assert np.corrcoef(found.signal[3, :2400][known], true[:2400][known])[0, 1] > 0.7
    assert any("-aVR" in note for note in found.notes) == (printed == "-aVR")


def digitized_strip(lead: str, printed: str | None, net, folder, late: int = 150, factor: float = 1.0):
    """A page in the layout kit whose strip shows a lead under this name; its waves are those of I, late or higher."""
    layout = layout_named("kit").model_dump()
    layout["slots"][-1].update(lead=lead, name=printed and layout["slots"][-1]["name"] | {"text": printed})
    (folder / "strip.json").write_text(json.dumps(layout))
    signal = SIGNAL.copy()
    signal[LEADS.index(lead)] = factor * np.roll(signal[0], 0 if lead == "I" else late)
    page = render_page(signal, 500, RenderConfig(layout=str(folder / "strip.json"), dpi=150))
    return digitize(page.image, net, 500)


@pytest.mark.parametrize(("printed", "shown"), [("I", "II"), ("I", "I"), ("II", "II")])
def test_a_strip_whose_name_does_not_fit_its_trace_is_renamed(printed, shown, net, tmp_path):
    found = digitized_strip(shown, printed, net, tmp_path)
    strip = found.leads[-1]
    assert strip.name == shown and strip.end - strip.start > 9
    assert any("the name was read, but the trace is that of II" in note for note in found.notes) == (printed != shown)
    assert np.isnan(found.signal[0 if shown == "II" else 1, 1400:]).all()


def test_a_strip_with_waves_of_the_same_shape_is_named_by_their_height(net, tmp_path):
    found = digitized_strip("II", "I", net, tmp_path, late=0, factor=0.4)
    assert found.leads[-1].name == "II"


def test_a_strip_without_a_name_is_named_by_its_trace(net, tmp_path):
    found = digitized_strip("V1", None, net, tmp_path)
    strip = found.leads[-1]
    assert strip.name == "V1" and not strip.name_read and strip.end - strip.start > 9
    assert "row 4: the name of the strip is uncertain; its trace is that of V1" in found.notes
    assert np.isnan(found.signal[1, 1400:]).all()


def test_a_strip_that_is_no_lead_is_left_out(net, tmp_path, monkeypatch) -> None:
    """Another device's trace, whose label was misread as V6. The lead named V6 above it is V1 here."""
    monkeypatch.setattr("ecgpipe.reader.leads.STRIP_NAME", 1.1)
    layout = layout_named("kit").model_dump()
    for slot in layout["slots"]:
        slot["lead"] = "V1" if slot["lead"] == "V6" else slot["lead"]
    layout["slots"][-1].update(lead="V6", name=layout["slots"][-1]["name"] | {"text": "V6"})
    (tmp_path / "strip.json").write_text(json.dumps(layout))
    signal = SIGNAL.copy()
    signal[LEADS.index("V6")] = 0.4 * np.sin(np.arange(signal.shape[1]) * 2 * np.pi / 150)
    page = render_page(signal, 500, RenderConfig(layout=str(tmp_path / "strip.json"), dpi=130))
    found = digitize(page.image, net)
    assert any(note.endswith("does not look like V6 and is left out") for note in found.notes), found.notes
    assert np.isfinite(found.signal[LEADS.index("V6")]).mean() < 0.3


@pytest.mark.parametrize("shift", [0, 150])
def test_limb_leads_that_contradict_each_other_are_noted(shift, net):
    signal = SIGNAL.copy()
    signal[:6] = np.outer([1, -0.5, -1.5, -0.25, 1.25, -1], SIGNAL[0])  # I + III = II, aVR + aVL + aVF = 0
    signal[2] = np.roll(signal[2], shift)
    page = render_page(signal, 500, RenderConfig(layout="6x2", dpi=150))
    notes = digitize(page.image, net, 500).notes
    assert any(note.startswith("I, II and III contradict each other") for note in notes) == bool(shift)
    assert not any(note.startswith("aVR, aVL and aVF contradict") for note in notes)


def test_a_page_without_names_is_refused_if_its_layout_contradicts_the_limb_leads(net):
    noise = np.cumsum(np.random.default_rng(0).normal(0, 0.05, (12, 500)), axis=1)
    signal = np.repeat(noise - noise.mean(axis=1, keepdims=True), 10, axis=1).clip(-1, 1).astype(np.float32)
    page = render_page(signal, 500, RenderConfig(layout="6x2", dpi=150, lead_names=False))
    with pytest.raises(DataError, match="few lead names"):
        digitize(page.image, net, 500)


def test_pulses_of_another_gain_are_noted(page, net, monkeypatch):
    monkeypatch.setattr("ecgpipe.reader.digitize.find_pulses", lambda *_: Pulses(10, False, (5,)))
    assert "some calibration pulses show 5 mm/mV: 10 mm/mV is used for all leads" in digitize(page.image, net).notes


def test_a_clean_page_has_little_error(recording):
    shown = SIGNAL.astype(float).copy()
    shown[:6, 2500:] = shown[6:, :2500] = np.nan
    leads = [compare_lead(true, found, 500) for true, found in zip(shown, recording.signal, strict=True)]
    assert challenge_score(leads) > 19


def test_a_lead_reaches_from_its_first_to_its_last_sample(recording):
    """Separators and the ends of strokes hide up to 0.5 mm; nothing is shown beyond."""
    for lead, row in enumerate(recording.signal):
        known = np.flatnonzero(~np.isnan(row)) - 2500 * (lead // 6)
        assert known[0] in (0, 1) and known[-1] in (2498, 2499, 2500) and len(known) >= 2498


def test_the_start_of_a_drawn_page_is_exact(recording):
    """Programs start their traces at a line of the grid."""
    shown = SIGNAL.astype(float)
    at = np.arange(100, 2400)
    for lead in (0, 3, 5):
        found = [
            np.std(shown[lead, at] - np.interp(at + shift, np.arange(5000), recording.signal[lead]))
            for shift in np.arange(-4, 4.1, 0.25)
        ]
        assert abs(np.arange(-4, 4.1, 0.25)[np.argmin(found)]) <= 0.5  # samples of 2 ms


def test_time_and_height_of_narrow_peaks_are_right_up_to_the_end_of_the_page(net):
    signal = np.zeros((12, 5000))
    places = np.arange(300, 4900, 500)
    for place in places:  # triangles of 60 ms and 1 mV
        signal[:, place - 15 : place + 16] += 1 - np.abs(np.arange(-15, 16)) / 15
    page = render_page(signal, 500, RenderConfig(layout="12x1", dpi=200))
    found = digitize(page.image, net, 500)
    mm = found.page.frame.pixels_per_mm
    for lead in (0, 5, 11):
        signal = found.signal[lead]
        peaks = [place - 60 + int(np.nanargmax(signal[place - 60 : place + 60])) for place in places]
        assert np.ptp(2 * (np.array(peaks) - places)) <= 5  # ms; the start of the page is less exact
        x, y = found.lines[lead].T
        for peak in peaks:  # between samples
            near = np.abs((x - x[0]) / mm / found.speed - peak / 500) < 0.1
            assert 0.96 < (np.median(y) - y[near].min()) / (found.gain * mm) < 1.02


def test_a_lead_that_the_page_does_not_show_is_missing(page, net):
    picture = page.image.copy()
    for lead in page.leads:
        if lead.name == "V2":
            x0, y0, x1, y1 = (round(value) for value in lead.box)
            picture[y0 - 3 : y1 + 3, x0 - 3 : x1 + 3] = 255
    recording = digitize(picture, net, 500)
    assert recording.missing == ["V2"] and any("missing: V2" in note for note in recording.notes)
    assert np.isnan(recording.signal[LEADS.index("V2")]).all()
    json.dumps(recording.summary(), allow_nan=False)


def test_a_line_whose_beginning_is_hidden_has_its_own_times(page, net):
    picture = page.image.copy()
    lead = next(lead for lead in page.leads if lead.name == "V2")
    x0, y0, x1, y1 = (round(value) for value in lead.box)
    picture[y0 - 3 : y1 + 3, x0 - 3 : (x0 + x1) // 2] = 255
    found = next(lead for lead in digitize(picture, net).leads if lead.name == "V2")
    assert found.start == pytest.approx(5, abs=0.1) and found.shown == pytest.approx((7.5, 10), abs=0.1)


def test_a_picture_without_a_page_is_refused(net):
    with pytest.raises(DataError, match="no ECG"):
        digitize(np.full((300, 400, 3), 255, np.uint8), net)


def test_the_command_writes_a_record(page, tmp_path, capsys):
    Image.fromarray(page.image).save(tmp_path / "a page.png")
    Image.fromarray(np.full((300, 400), 255, np.uint8)).save(tmp_path / "empty.png")
    files = [str(tmp_path / "a page.png"), str(tmp_path / "empty.png")]
    out = tmp_path / "out"
    status = main(["digitize", *files, "-o", str(out), "--rate", "250", "--csv", "--parquet"])
    printed, errors = capsys.readouterr()
    assert status == 1 and "empty.png: no ECG" in errors and "a page.png: 6x2" in printed
    ends = (".hea", ".dat", ".json", "-overlay.png", ".csv", ".parquet")
    assert {file.name for file in out.iterdir() if not file.is_dir()} == {f"a_page{end}" for end in ends}
    record = wfdb.rdrecord(str(out / "a_page"))
    assert record.fs == 250 and record.units == ["mV"] * 12 and record.fmt == ["16"] * 12
    assert [name.upper() for name in record.sig_name] == list(LEADS)
    assert np.isnan(record.p_signal[1300:2400, 0]).all() and np.isfinite(record.p_signal[50:1100, 0]).mean() > 0.9
    table = np.genfromtxt(out / "a_page.csv", delimiter=",", skip_header=1)
    assert np.nanmax(np.abs(table[:, 1:] - record.p_signal)) < 0.002
    assert (np.isnan(table[:, 1:]) == np.isnan(record.p_signal)).all()
    summary = json.loads((out / "a_page.json").read_text())
    assert summary["gain_mm_per_mv"] == 10 and len(summary["digitized"]) == 12 and summary["missing"] == []
    assert cv2.imread(str(out / "a_page-overlay.png")).ndim == 3


@pytest.mark.parametrize("command", ["read", "digitize"])
def test_an_unexpected_error_does_not_lose_the_other_pages(command, monkeypatch, tmp_path, capsys):
    for name in ("a", "b", "c"):
        Image.fromarray(np.full((30, 40), 255, np.uint8)).save(tmp_path / f"{name}.png")

    def write(self, picture, net):
        if picture.name.endswith("b.png"):
            raise KeyError("a key")
        return "", {"name": picture.name}

    monkeypatch.setattr(RecordFolder, "write", write)
    monkeypatch.setattr(ReadFolder, "write", write)
    assert main([command, str(tmp_path), "-o", str(tmp_path / "out"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["pages"] == [{"name": str(tmp_path / f"{name}.png")} for name in ("a", "c")]
    (error,) = document["errors"]
    assert error.startswith(f"{tmp_path / 'b.png'}: unexpected KeyError: 'a key'")


@pytest.mark.parametrize("name", ["photo (1).jpg", "scan.2024.png", "Größe.pdf, page 2"])
def test_the_wfdb_library_reads_the_record_of_any_picture(name, tmp_path):
    stem = page_stem(name, RECORD_OTHERS)
    write_record(tmp_path / stem, SIGNAL[:, :100], 500)
    assert wfdb.rdrecord(str(tmp_path / stem)).p_signal.shape == (100, 12)


@pytest.mark.parametrize("words", [["nowhere.png"], ["page.png", "--rate", "0"], ["page.png", "--gain", "0"]])
def test_wrong_inputs_are_refused_before_the_network_is_loaded(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save("page.png")
    monkeypatch.setattr("ecgpipe.reader.read.load_reader", lambda *_: pytest.fail("loaded"))
    assert main(["digitize", *words, "-o", "x"]) == 1
    assert words[-1] in capsys.readouterr().err


def test_records_that_were_not_digitized_are_not_overwritten(page, tmp_path, capsys):
    Image.fromarray(page.image).save(tmp_path / "page.png")
    own = tmp_path / "page.hea"
    own.write_text("the original")
    assert main(["read", str(tmp_path / "page.png"), "-o", str(tmp_path)]) == 0  # its page.json does not matter
    assert main(["digitize", str(tmp_path / "page.png"), "-o", str(tmp_path)]) == 1
    assert f"{own} exists and is not a digitized page" in capsys.readouterr().err
    assert own.read_text() == "the original"
    own.unlink()
    for _ in range(2):  # its own results may be replaced
        assert main(["digitize", str(tmp_path / "page.png"), "-o", str(tmp_path)]) == 0


def test_another_rate_has_no_aliases(net, page, recording):
    slow = digitize(page.image, net, 100)
    filtered = resample_with_gaps(recording.signal, 500, 100)
    assert slow.sampling_rate == 100 and np.array_equal(slow.signal, filtered, equal_nan=True)
    assert np.nanmax(np.abs(recording.signal[:, ::5] - slow.signal)) > 0.02  # every fifth sample is not the same


@pytest.mark.parametrize("stretch", [(1.15, 1), (1, 1.3)])
def test_a_stretched_page_keeps_its_time_and_heights(net, stretch):
    page = render_page(beats(), 500, RenderConfig(layout="6x2", dpi=150))
    picture = cv2.resize(page.image, None, fx=stretch[0], fy=stretch[1])
    recording = digitize(picture, net)
    shown = beats()
    shown[:6, 2500:] = shown[6:, :2500] = np.nan
    leads = [compare_lead(true, found, 500) for true, found in zip(shown, recording.signal, strict=True)]
    assert challenge_score(leads) > 14
