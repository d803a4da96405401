"""What the local page says: sentences, the numbers of the plot, addresses."""

import socket
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest

from ecgpipe.errors import ConfigError
from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.predict.explanation import explain_prediction, layout_in_words, read_in_words
from ecgpipe.predict.output import format_prediction
from ecgpipe.predict.pages import ShownLead, ShownRecording
from ecgpipe.predict.prediction import OodScore, Prediction, ThresholdResult
from ecgpipe.reader.digitize import _scale_notes
from ecgpipe.reader.leads import PageLeads
from ecgpipe.reader.limb_leads import contradictions
from ecgpipe.reader.notes import lead_notes
from ecgpipe.reader.printed_scales import PrintedScales
from ecgpipe.reader.scales import Pulses
from ecgpipe.serve import server
from ecgpipe.serve.plot import heat_in_plot, plot_of

CALIBRATION = {"records": 1234, "fitted_on": "validation", "left_out": []}
MODEL = {"trained_on": {"dataset": "ptb-xl"}, "calibration": CALIBRATION}


def prediction(probabilities, task="multilabel", ood=0.5, read=None):
    values = np.array(list(probabilities.values()))
    names = tuple(probabilities)
    predicted = (
        names[int(values.argmax()) :][:1] if task == "single" else tuple(n for n in names if probabilities[n] >= 0.5)
    )
    thresholds = {
        name: tuple(
            ThresholdResult(share, limit, "validation", value >= limit) for share, limit in ((0.8, 0.3), (0.9, 0.6))
        )
        for name, value in probabilities.items()
    }
    return Prediction(
        "a.png", "image", task, names, values, values, predicted, thresholds, OodScore(ood), False, (), read
    )


def test_the_summary_names_the_most_probable_and_what_reaches_a_half():
    several = explain_prediction(prediction({"NORM": 0.1, "MI": 0.82, "STTC": 0.55}), MODEL)
    assert several["summary"] == (
        "Most probable: MI (myocardial infarction), 82%. Also 50% or more: STTC (ST/T change), 55%."
    )
    none = explain_prediction(prediction({"NORM": 0.1, "MI": 0.32}), MODEL)
    assert none["summary"] == "Most probable: MI (myocardial infarction), 32%. No class reaches 50%."
    assert explain_prediction(prediction({"a": 0.4, "b": 0.35}, "single"), MODEL)["summary"] == "Most probable: a, 40%."
    almost = explain_prediction(prediction({"a": 0.497, "b": 0.1}), MODEL)
    assert almost["summary"] == "Most probable: a, just below 50%. No class reaches 50%."


def test_the_table_says_which_threshold_is_reached():
    words = explain_prediction(prediction({"NORM": 0.1, "MI": 0.82, "STTC": 0.55, "CD": 0.4}), MODEL)
    assert [(row["label"], row["result"]) for row in words["classes"]] == [
        ("MI", "predicted: 50% or more; above the threshold of 90% specificity"),
        ("STTC", "predicted: 50% or more; above the threshold of 80% specificity"),
        ("CD", "above the threshold of 80% specificity"),
        ("NORM", ""),
    ]
    assert "80%, 90%" in words["thresholds"] and "Of the validation records without the class" in words["thresholds"]


def test_thresholds_are_not_rounded_and_name_their_records():
    rows = tuple(ThresholdResult(share, 0.1, "the scored records", True) for share in (0.95, 0.975))
    words = explain_prediction(replace(prediction({"a": 0.4}), thresholds={"a": rows}), MODEL)
    assert words["classes"][0]["result"] == "above the threshold of 97.5% specificity"
    assert words["thresholds"] == (
        "Each class has its own thresholds (95%, 97.5%). Of the scored records without the class, 97.5% are below "
        "its threshold of 97.5% specificity."
    )


@pytest.mark.parametrize(
    ("share", "said"), [(0.823, "about 82 of 100"), (0.999, "more than 99 of 100"), (0.51, "about 51 of 100")]
)
def test_how_sure_is_a_frequency(share, said):
    sure = explain_prediction(prediction({"NORM": 0.1, "MI": share}), MODEL)["sure"]
    assert said in sure and "with this probability have MI" in sure and "1,234 validation records" in sure


def test_nothing_is_sure_without_calibration_or_on_unusual_pages():
    assert "not calibrated" in explain_prediction(prediction({"MI": 0.8}), MODEL | {"calibration": None})["sure"]
    left_out = MODEL | {"calibration": CALIBRATION | {"left_out": ["MI"]}}
    assert "The class MI is not calibrated" in explain_prediction(prediction({"MI": 0.8, "CD": 0.1}), left_out)["sure"]
    assert "about 80" in explain_prediction(prediction({"MI": 0.1, "CD": 0.8}), left_out)["sure"]
    unusual = explain_prediction(prediction({"MI": 0.8}, ood=1.5), MODEL)
    assert "unknown" in unusual["sure"] and "score 1.50" in unusual["unusual"]
    assert explain_prediction(prediction({"MI": 0.8}), MODEL)["unusual"] is None


def test_nothing_is_sure_of_a_page_with_fewer_leads_than_in_training():
    read = {"layout": "record", "speed_mm_per_s": None, "gain_mm_per_mv": None}
    limbs = read | {"missing": [f"V{n}" for n in range(1, 7)]}
    sure = explain_prediction(prediction({"MI": 0.8}, read=limbs), MODEL)["sure"]
    assert "unknown" in sure and "6 of 12 leads" in sure
    two_missing = prediction({"MI": 0.8}, read=read | {"missing": ["V5", "V6"]})
    assert "about 80" in explain_prediction(two_missing, MODEL)["sure"]


def doubtful_notes() -> list[str]:
    """Notes as the reader words them, on pages whose names, limb leads and scales contradict each other."""
    signal = np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32)
    leads = PageLeads("3x4", True, False, (), (0.0, 1.0), (), 0.55, np.zeros((1, 1), np.int8), (1,))
    return [
        *contradictions(signal, 500),
        *lead_notes(leads),
        *lead_notes(replace(leads, agreement=0.0)),
        *_scale_notes(25, 10, Pulses(None, False, (), 5.0), PrintedScales((25.0,), (10.0,))),
    ]


def test_nothing_is_sure_of_a_page_that_may_be_misread():
    notes = doubtful_notes()
    assert len(notes) == 6
    one = prediction({"MI": 0.8})
    for note in notes:
        words = explain_prediction(replace(one, notes=("the page is assumed to show 10 s", note)), MODEL)
        assert words["sure"] == "How sure: unknown, since the page may be misread.", note
        assert words["notes"] == [note, "the page is assumed to show 10 s"]
    words = explain_prediction(replace(one, notes=("the paper speed is assumed: 25 mm/s",)), MODEL)
    assert "about 80" in words["sure"]


def test_missing_leads_are_named_once():
    read = {"layout": "3x4", "speed_mm_per_s": 25.0, "gain_mm_per_mv": 10.0, "missing": ["V6"]}
    one = replace(prediction({"MI": 0.8}, read=read), notes=("missing: V6", "a note"))
    assert format_prediction(one, MODEL).count("V6") == 1
    assert explain_prediction(replace(one, read=None), MODEL)["notes"] == ["missing: V6", "a note"]


def test_what_was_read_is_in_words():
    read = {"layout": "3x4+1", "speed_mm_per_s": 25.004, "gain_mm_per_mv": 10.0, "missing": ["V5", "V6"]}
    assert read_in_words(read) == [
        ("Layout", "3 rows of 4 leads and 1 rhythm strip"),
        ("Paper speed", "25 mm/s"),
        ("Gain", "10 mm/mV"),
        ("Leads", "10 of 12; missing: V5, V6"),
    ]
    assert read_in_words(read | {"speed_mm_per_s": None, "missing": []})[1:] == [("Leads", "all 12")]
    assert layout_in_words("12x1") == "12 rows of 1 lead"
    assert layout_in_words("3x4 Cabrera+2") == "3 rows of 4 leads in the Cabrera sequence and 2 rhythm strips"
    assert layout_in_words("6x1 limb") == "6x1 limb"


def test_the_plot_has_microvolts_and_gaps():
    signal = np.full((12, 1000), np.nan)
    signal[1] = np.linspace(0, 1, 1000)
    signal[1, 300:400] = np.nan
    lines = np.zeros((0, 2))
    leads = (ShownLead("II", 0.0, 2.0, lines), ShownLead("x", 0, 2, lines), ShownLead("II", 1.0, 1.5, lines))
    recording = ShownRecording(signal, 500, leads, {})
    plot = plot_of(recording)
    assert [(lead["name"], lead["start"], len(lead["values"])) for lead in plot["leads"]] == [
        ("II", 0, 1000),
        ("II", 1, 250),
    ]
    values = plot["leads"][0]["values"]
    assert values[0] == 0 and values[-1] == 1000 and values[299:301] == [299, None] and values[399:401] == [None, 400]
    heat = np.zeros((12, 200))
    heat[PRINTED_NAMES.index("II"), 110] = 0.5
    rows = heat_in_plot(recording, heat)
    assert [len(row) for row in rows["leads"]] == [50, 13]
    assert [np.flatnonzero(row).tolist() for row in rows["leads"]] == [[27], [2]] and rows["leads"][0][27] == 50


def test_a_report_of_many_classes_and_notes_is_one_page():
    from ecgpipe.serve.report import report_pdf

    many = prediction({f"a class with a long name {number}": number / 99 for number in range(70)})
    many = replace(
        many, name="long name " * 40, notes=tuple(f"{number} " + "a long note " * 20 for number in range(40))
    )
    words = explain_prediction(many, MODEL)
    content = report_pdf(many, words, np.full((400, 900, 3), 200, np.uint8), "x", MODEL | {"variant": "m"})
    document = pypdfium2.PdfDocument(content)
    text = " ".join(document[0].get_textpage().get_text_range().split())
    assert len(document) == 1 and "class with a long name 58" in text and "class with a long name 57" not in text
    assert "and 58 classes of 57.6% or less" in text and "more notes" in text
    (picture,) = document[0].get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    left, bottom, right, top = picture.get_bounds()
    assert 0 < bottom < top < document[0].get_height() and right - left > 300


def test_a_long_class_in_the_report_is_cut_not_left_out():
    from ecgpipe.serve.report import report_pdf

    one = prediction({"Abnormal_heartbeat_images_of_patients_of_one_clinic": 0.8, "b": 0.1})
    content = report_pdf(
        one, explain_prediction(one, MODEL), np.full((40, 90, 3), 200, np.uint8), "b", MODEL | {"variant": "m"}
    )
    text = pypdfium2.PdfDocument(content)[0].get_textpage().get_text_range()
    assert text.count("Abnormal_heartbeat_images_of_pat") == 3  # in two sentences and in the table


def test_the_report_shows_results_whole():
    from ecgpipe.serve.report import report_pdf

    rows = (ThresholdResult(0.975, 0.1, "validation", True),)
    one = replace(prediction({"MI": 0.8}), thresholds={"MI": rows})
    words, picture = explain_prediction(one, MODEL), np.full((40, 90, 3), 200, np.uint8)
    text = pypdfium2.PdfDocument(report_pdf(one, words, picture, "MI", MODEL | {"variant": "m"}))[0].get_textpage()
    assert "predicted: 50% or more; above the threshold of 97.5% specificity" in text.get_text_range()


def test_the_report_of_a_name_in_another_script_has_no_warning(recwarn):
    from ecgpipe.serve.report import report_pdf

    one = replace(prediction({"MI": 0.8}), name="\u5fc3\u7535\u56fe \u0939\u0943.png")
    picture = np.full((40, 90, 3), 200, np.uint8)
    content = report_pdf(one, explain_prediction(one, MODEL), picture, "MI", MODEL | {"variant": "m"})
    assert content[:5] == b"%PDF-" and not recwarn.list


def test_the_report_keeps_the_colours_of_marks():
    from ecgpipe.serve.report import report_pdf

    page = np.random.default_rng(0).integers((235, 190, 180), (256, 256, 256), (600, 600, 3)).astype(np.uint8)
    share = np.clip(1 - np.hypot(*(np.mgrid[:600, :600] - 300)) / 60, 0, 1)[..., None]
    page = (page * (1 - share) + np.array([213, 94, 0]) * share).astype(np.uint8)
    one = prediction({"MI": 0.8})
    content = report_pdf(one, explain_prediction(one, MODEL), page, "MI", MODEL | {"variant": "m"})
    (picture,) = pypdfium2.PdfDocument(content)[0].get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    shown = np.asarray(picture.get_bitmap().to_pil().convert("RGB"))
    assert shown.shape == page.shape
    assert np.abs(shown[290:310, 290:310].astype(int) - page[290:310, 290:310]).mean() < 12


def test_addresses(monkeypatch):
    monkeypatch.setattr(server, "own_address", lambda: "10.1.2.3")
    assert server.opened_as("127.0.0.1") == ["127.0.0.1", "localhost"]
    assert server.opened_as("::1") == ["[::1]", "localhost"]
    assert server.opened_as("10.9.9.9") == ["10.9.9.9"]
    assert server.opened_as("0.0.0.0") == ["127.0.0.1", "localhost", "10.1.2.3"]
    assert server.other_machines(server.opened_as("0.0.0.0")) == ["10.1.2.3"]
    assert server.other_machines(["[::1]", "localhost", "pc.lan"]) == ["pc.lan"]


def test_the_own_address_is_not_the_loopback():
    own = server.own_address()
    assert own is None or not server.is_loopback(own)


def test_a_port_in_use_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another --port"):
            server.bound_socket("127.0.0.1", taken.getsockname()[1])
