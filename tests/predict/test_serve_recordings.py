"""The local page of a signal model over HTTP: the digitized leads, downloads, other machines."""

import io
import json
import re
import zipfile
from urllib.parse import quote

import numpy as np
import pypdfium2
import pytest
import wfdb

from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.predict import NOTICE, InputPage
from ecgpipe.predict.pages import ShownLead, ShownRecording
from ecgpipe.predict.recordings import RecordingReader
from ecgpipe.serve.answers import KEPT_PAGES, NO_RECORDS, Answers
from ecgpipe.serve.app import NETWORK_WARNING
from tests.artifacts.test_unsupported_formats import dicom_recording
from tests.predict.test_serve import request


@pytest.fixture(scope="module")
def ask(made, served_recordings):
    token = re.search(r'ecgpipe-token" content="([^"]+)"', request(served_recordings)[2].decode())[1]

    def send(action, content=made.pages["00001"], name="a page $1$.png", **headers):
        sent = {"x_ecgpipe_token": token, "x_file_name": quote(name)}
        return request(served_recordings, "POST", f"/{action}", content, **(sent | headers))

    return send


@pytest.fixture(scope="module")
def page(ask):
    (page,) = json.loads(ask("predict")[2])["pages"]
    return page


def test_the_digitized_leads_instead_of_the_input(page):
    assert page["image"] is None and page["page"].startswith("data:image/jpeg") and page["overlay"] != page["page"]
    plot, heat = page["plot"], page["heat"]
    assert {lead["name"] for lead in plot["leads"]} == set(PRINTED_NAMES)
    assert all(np.mean([value is not None for value in lead["values"]]) > 0.8 for lead in plot["leads"])
    for lead, row in zip(plot["leads"], heat["leads"], strict=True):
        assert abs(len(row) / heat["rate"] - len(lead["values"]) / plot["rate"]) < 0.05
    assert max(map(max, heat["leads"])) == 100
    assert ["Layout", "3 rows of 4 leads and 1 rhythm strip"] in page["words"]["read"]
    assert "77 validation records" in page["words"]["sure"]


def test_another_class_has_other_marks(ask, page):
    label = next(each for each in ("NORM", "MI") if each != page["overlay_of"])
    other = json.loads(ask("overlay", x_overlay_class=label)[2])
    assert other["overlay_of"] == label and other["overlay"] != page["overlay"] and other["heat"] != page["heat"]


def test_the_record_is_what_the_plot_shows(ask, page, tmp_path):
    status, headers, body = ask("record")
    assert status == 200 and headers["content-disposition"] == "attachment; filename*=UTF-8''a_page__1_.zip"
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.namelist() == ["a_page__1_.dat", "a_page__1_.hea"]
    archive.extractall(tmp_path)
    record = wfdb.rdrecord(str(tmp_path / "a_page__1_"))
    assert record.sig_name == list(PRINTED_NAMES) and record.units == ["mV"] * 12 and record.fs == page["plot"]["rate"]
    for lead in page["plot"]["leads"]:
        first = round(lead["start"] * record.fs)
        stored = record.p_signal[first : first + len(lead["values"]), PRINTED_NAMES.index(lead["name"])]
        shown = np.array([np.nan if value is None else value for value in lead["values"]]) / 1000
        assert np.allclose(stored, shown, atol=0.0011, equal_nan=True), lead["name"]


def test_the_report_is_one_page_with_the_notice(ask, page):
    status, headers, body = ask("report")
    assert status == 200 and headers["content-disposition"] == "attachment; filename*=UTF-8''a_page__1_-report.pdf"
    document = pypdfium2.PdfDocument(body)
    assert len(document) == 1 and len(body) < 3_000_000
    text = " ".join(document[0].get_textpage().get_text_range().split())
    assert NOTICE in text and "a page $1$.png" in text and page["words"]["summary"] in text
    for row in page["words"]["classes"]:
        assert f"{row['probability']:.1%}" in text
    assert "Paper speed: 25 mm/s" in text and all(note in text for note in page["prediction"]["notes"])


def test_names_in_other_scripts_are_kept_where_possible(ask):
    status, headers, body = ask("record", name="心电图.png")
    assert status == 200 and headers["content-disposition"].endswith(f"UTF-8''{quote('心电图.zip')}")
    names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    assert all(re.fullmatch(r"___-\w{8}\.(dat|hea)", name) for name in names)


def test_a_page_is_read_again_with_another_speed_and_gain(ask, page):
    assert ask("predict", x_speed="33")[0] == 400
    (again,) = json.loads(ask("predict", x_speed="50", x_gain="20")[2])["pages"]
    assert again["prediction"]["read"]["gain_mm_per_mv"] == 20
    assert ["Paper speed", "50 mm/s"] in again["words"]["read"]
    (before,) = json.loads(ask("predict")[2])["pages"]
    assert before["prediction"]["read"] == page["prediction"]["read"]


class OnePage:
    """Stands for a predictor; counts the files that it reads."""

    def __init__(self):
        self.read = 0

    def reader(self):
        return self

    def read_content(self, content, name):
        self.read += 1
        recording = ShownRecording(np.zeros((12, 100)), 100, (), {})
        yield InputPage(name, "image", np.zeros((9, 9, 3), np.uint8), np.zeros((0, 0)), recording=recording)

    def predict(self, pages):
        return [None]


def test_a_file_is_read_once_until_others_follow():
    predictor = OnePage()
    answers = Answers(predictor)
    for _ in range(3):
        assert answers.answer("record", b"same", "a.png", None, 0).name == "a.zip"
    assert predictor.read == 1
    assert answers.answer("record", b"same", "b.png", None, 0).name == "b.zip"  # messages name the file
    for number in range(KEPT_PAGES):
        answers.answer("record", bytes([number]), "a.png", None, 0)
    answers.answer("record", bytes([KEPT_PAGES - 1]), "a.png", None, 0)
    assert predictor.read == 2 + KEPT_PAGES
    answers.answer("record", b"same", "a.png", None, 0)
    assert predictor.read == 3 + KEPT_PAGES


def test_a_dicom_recording_is_told_which_command_reads_it(tmp_path):
    class Model(OnePage):
        def reader(self):
            return RecordingReader()

    answer = Answers(Model()).answer("predict", dicom_recording(tmp_path).read_bytes(), "a.dcm", None, 0)
    assert answer["errors"] == [f"a.dcm: {NO_RECORDS}"]


def test_pages_in_memory_are_no_larger_than_on_the_screen():
    class Large(OnePage):
        def read_content(self, content, name):
            leads = (ShownLead("II", 0, 1, np.array([[400.0, 300], [4000, 300]])),)
            recording = ShownRecording(np.zeros((12, 100)), 100, leads, {})
            page = np.zeros((3300, 4400, 3), np.uint8)
            yield InputPage(name, "image", page, np.zeros((0, 0), np.uint8), recording=recording)

    answers = Answers(Large())
    answers.answer("record", b"x", "a.png", None, 0)
    ((kept,),) = (file.pages for file in answers._files.values())
    assert kept.page.page.shape == (1650, 2200, 3)
    assert kept.page.recording.leads[0].line.tolist() == [[200, 150], [2000, 150]]


def test_an_unexpected_error_does_not_lose_the_other_pages(monkeypatch):
    class SecondFails(OnePage):
        def read_content(self, content, name):
            for number in (1, 2, 3):
                yield from super().read_content(content, f"{name}, page {number}")

        def predict(self, pages):
            return [{"a.pdf, page 1": "first", "a.pdf, page 3": "third"}[pages[0].name]]

    answers = Answers(SecondFails())
    monkeypatch.setattr(answers, "_page", lambda number, marked, label: {0: marked.prediction}[number])
    answer = answers.answer("predict", b"x", "a.pdf", None, 0)
    assert answer["pages"] == ["first"]
    assert answer["errors"] == [f"a.pdf, page {number}: unexpected KeyError" for number in (2, 3)]


def test_several_pages_of_one_file_have_numbers(ask, made):
    from PIL import Image

    frames = [Image.open(io.BytesIO(made.pages[name])).convert("RGB") for name in ("00001", "00002")]
    stream = io.BytesIO()
    frames[0].save(stream, "PDF", save_all=True, append_images=frames[1:], resolution=100)
    pages = json.loads(ask("predict", stream.getvalue(), "two.pdf")[2])["pages"]
    assert [each["number"] for each in pages] == [0, 1]
    second = ask("record", stream.getvalue(), "two.pdf", x_page="1")
    assert second[1]["content-disposition"] == "attachment; filename*=UTF-8''two-2.zip"
    assert json.loads(ask("overlay", stream.getvalue(), "two.pdf", x_page="1")[2])["overlay"] == pages[1]["overlay"]


def test_a_page_for_other_machines_says_so_and_knows_its_names(served, served_recordings):
    text = request(served_recordings)[2].decode()
    assert NETWORK_WARNING in text and 'capture="environment"' in text
    assert NETWORK_WARNING not in request(served)[2].decode()
    assert served_recordings.address == f"http://127.0.0.1:{served_recordings.port}/" and not served.for_phones
    for address in served_recordings.for_phones:
        assert request(served_recordings, Host=address.removeprefix("http://").rstrip("/"))[0] == 200
    assert request(served_recordings, Host=f"0.0.0.0:{served_recordings.port}")[0] == 403
