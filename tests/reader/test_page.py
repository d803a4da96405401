"""A whole page: its leads, what is doubtful, and the files of `ecgpipe read`."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from ecgpipe.cli.main import main
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.geometry import fit_geometry
from ecgpipe.reader.notes import dark_ink
from ecgpipe.reader.page import ReadPage, understand_page
from ecgpipe.reader.quality import challenge_score, compare_lead
from ecgpipe.reader.read import Reading
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats, photo

DPI = 130
PIXELS_PER_MM = DPI / 25.4


@pytest.fixture(scope="module")
def page():
    return render_page(beats(), 500, RenderConfig(dpi=DPI))


@pytest.fixture(scope="module")
def straight(net, page) -> ReadPage:
    """What is read on the page as it is."""
    return understand_page(page.image, net)


@pytest.mark.parametrize("layout", ["kit", "6x2", "12x1"])
def test_rows_and_millimetres_of_a_photo(net, layout):
    """The renderer's exact map of the page is the reference."""
    degraded, picture = photo(layout, dpi=DPI, rotation=(4, 4), perspective=(1, 1))
    read = understand_page(picture, net)
    rows = {"kit": 4, "6x2": 6, "12x1": 12}[layout]
    assert len(read.leads.rows) == rows and read.reading.grid_found
    assert read.reading.geometry.pixels_per_mm == pytest.approx(PIXELS_PER_MM, rel=0.06)
    for lead in degraded.leads:  # a level line of the page is level on the upright page
        ends = read.reading.geometry.to_page(lead.pixels[[0, -1]])
        assert abs(ends[1, 1] - ends[0, 1]) < 0.05 * abs(ends[1, 0] - ends[0, 0]) + 15
    assert all(lead.coverage > 0.9 for lead in read.leads.leads)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_page_on_its_side_or_upside_down_is_turned(net, page, straight, quarters):
    picture = np.ascontiguousarray(np.rot90(page.image, -quarters))
    read = understand_page(picture, net) if quarters else straight
    assert read.view.degrees % 360 == pytest.approx(90 * quarters)
    assert read.leads.layout == "3x4+1" and read.mask.shape == picture.shape[:2]
    grown = cv2.dilate(page.trace_mask, np.ones((7, 7), np.uint8))
    mask = np.rot90(read.mask, quarters)
    assert ((grown == 0) & (mask > 0)).sum() < 0.1 * (mask > 0).sum()
    corner = read.in_picture(np.array([[10.0, 20.0]]))[0]  # of the picture as it was read, upright
    marked = np.zeros(page.image.shape[:2])
    marked[20, 10] = 1
    y, x = np.argwhere(np.rot90(marked, -quarters))[0]
    assert np.abs(corner - [x + 0.5, y + 0.5]).max() <= 1


@pytest.mark.parametrize(("curves", "seed"), [(1, 3), (2, 3), (3, 5)])
def test_a_chart_is_no_ecg(net, curves, seed):
    """Curves across the picture, without a grid and names, that have long rows of what looks like a trace."""
    rng = np.random.default_rng(seed)
    picture = np.full((800, 1200, 3), 245, np.uint8)
    cv2.polylines(picture, [np.int32([(90, 60), (90, 740), (1150, 740)])], False, (0, 0, 0), 2)
    for top in np.linspace(80, 740, curves + 1)[:-1]:
        y = np.cumsum(rng.normal(0, 1, 400))
        y = top + (y - y.min()) / np.ptp(y) * 600 / curves
        points = np.stack([np.linspace(92, 1140, 400), y], axis=1).astype(np.int32)
        cv2.polylines(picture, [points], False, (120, 20, 20), 2, cv2.LINE_AA)
    with pytest.raises(DataError, match="no ECG"):
        understand_page(picture, net)


@pytest.mark.parametrize("grid", [True, False])
def test_a_page_without_names_is_an_ecg(net, grid):
    page = render_page(beats(), 500, RenderConfig(dpi=DPI, lead_names=False, annotations=False, grid=grid))
    read = understand_page(page.image, net)
    assert len(read.leads.rows) == 4 and read.view.degrees == 0


def test_a_thin_level_line_on_a_faint_grid(monkeypatch):
    """No sampled pixel of the maps is on the line, the only content."""
    maps = np.zeros((5, 96, 960), np.float32)
    maps[0, 8:11, 100:800] = 0.9
    local = np.ones((6, 12, 120)) * np.array([1, 0, 0, 1, 0, 0])[:, None, None]  # level, 4 pixels per mm
    geometry = fit_geometry(local, np.ones((12, 120)), 1)
    reading = Reading(cv2.convertScaleAbs(maps[0], alpha=255), maps, 1.0, (), False, geometry, grid_found=True)
    monkeypatch.setattr("ecgpipe.reader.page.read_page", lambda *_: reading)
    page = understand_page(np.full((96, 960, 3), 255, np.uint8), None)
    assert len(page.leads.rows) == 1 and page.leads.leads[0].coverage == 1


def test_ink_that_is_not_marked_counts_as_left_out():
    page, trace = np.full((200, 300, 3), 240, np.uint8), np.zeros((200, 300), bool)
    page[100:103], trace[100:103] = 30, True
    page[50:53, 100:200] = 40
    page[150:153] = (250, 170, 170)  # a pale grid line
    dark = dark_ink(page, trace)
    assert dark[51, 150] and dark[101, 20] and not dark[151, 20] and not dark[20, 20]


def test_the_command_writes_what_it_promises(page, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    picture = Image.fromarray(page.image)
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: stored on its side
    picture.rotate(90, expand=True).save(tmp_path / "scans" / "a.jpg", exif=exif, quality=95)
    picture.save(tmp_path / "b.png")
    (tmp_path / "scans" / "text.png").write_bytes(_png(np.full((200, 300, 3), 255, np.uint8)))
    status = main(["read", str(tmp_path / "scans"), str(tmp_path / "b.png"), "-o", str(tmp_path / "out"), "--mask"])
    out, err = capsys.readouterr()
    assert status == 1 and "1 page could not be read" in err and "text.png: no ECG" in err
    assert "b.png: 3x4+1" in out
    names = {file.name for file in (tmp_path / "out").iterdir() if file.is_file()}
    ends = (".json", "-page.png", "-overlay.png", "-mask.png")
    assert names == {stem + end for stem in "ab" for end in ends}
    mask = cv2.imread(str(tmp_path / "out/a-mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == page.image.shape[1::-1] and set(np.unique(mask)) == {0, 255}
    upright = np.rot90(mask, -1)  # as the camera's orientation says
    grown = cv2.dilate(page.trace_mask, np.ones((7, 7), np.uint8))
    assert (upright[grown == 0] > 0).sum() < 0.1 * (upright > 0).sum()
    found = json.loads((tmp_path / "out/b.json").read_text())
    assert found["millimetres_from"] == "grid" and found["layout"] == "3x4+1" and len(found["leads"]) == 13
    assert found["pixels_per_mm"] == pytest.approx(PIXELS_PER_MM, rel=0.03)


def test_without_any_page_no_folder_of_results_is_named(tmp_path, capsys):
    (tmp_path / "a.png").write_text("not a picture")
    assert main(["digitize", str(tmp_path / "a.png"), "-o", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert "1 page could not be digitized" in err and "the others" not in err
    assert not (tmp_path / "out").exists()


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("words", [["read", "nowhere.png", "-o", "x"], ["read", ".", "-o", "x"]])
def test_wrong_inputs_are_refused_before_the_network_is_loaded(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecgpipe.reader.read.load_reader", lambda *_: pytest.fail("loaded"))
    assert main(words) == 1
    assert capsys.readouterr().err


def test_a_mirrored_page_is_noticed_and_shown_the_right_way_round(net, page, straight):
    picture = page.image
    mirrored = understand_page(np.ascontiguousarray(picture[:, ::-1]), net)
    assert any("mirrored" in note for note in mirrored.notes)
    assert [lead.name for lead in mirrored.leads.leads] == [lead.name for lead in straight.leads.leads]
    assert sum(lead.name_read for lead in mirrored.leads.leads) >= 10  # of 13
    difference = mirrored.upright(picture[:, ::-1]).shape[1] - straight.upright(picture).shape[1]
    assert abs(difference) < 0.03 * picture.shape[1]


def test_two_pages_on_one_picture_are_noticed_and_not_digitized(net, page, straight, monkeypatch):
    picture = np.vstack([page.image, page.image])
    read = understand_page(picture, net)
    assert any("two pages" in note for note in read.notes)
    monkeypatch.setattr("ecgpipe.reader.lead_line.understand_page", lambda *_: read)  # as read once already
    with pytest.raises(DataError, match="two pages"):
        digitize(picture, net)
    assert not any("two pages" in note for note in straight.notes)


def test_names_that_do_not_fit_the_layout_are_noted(net, straight, tmp_path):
    layout = layout_named("kit").model_dump()
    for slot in layout["slots"]:
        slot["name"]["text"] = {"V1": "V2", "V2": "V3", "V3": "V2"}.get(slot["lead"], slot["name"]["text"])
    (tmp_path / "names.json").write_text(json.dumps(layout))
    page = render_page(beats(), 500, RenderConfig(layout=str(tmp_path / "names.json"), dpi=DPI))
    assert any("do not fit the layout 3x4+1" in note for note in understand_page(page.image, net).notes)
    assert not any("do not fit" in note for note in straight.notes)


def test_few_names_are_noted(net, straight, tmp_path):
    layout = layout_named("kit").model_dump()
    for slot in layout["slots"]:
        slot["name"] = slot["name"] if slot["lead"] in ("I", "AVL", "V3") else None
    (tmp_path / "few.json").write_text(json.dumps(layout))
    page = render_page(beats(), 500, RenderConfig(layout=str(tmp_path / "few.json"), dpi=DPI))
    few = [
        any(note.startswith("few lead names were read") for note in notes)
        for notes in (understand_page(page.image, net).notes, straight.notes)
    ]
    assert few == [True, False]


def test_a_file_of_layouts_is_used_and_a_broken_one_refused(page, tmp_path, capsys):
    Image.fromarray(page.image).save(tmp_path / "page.png")
    (tmp_path / "layouts.yaml").write_text(
        "- name: four rows\n  columns: [[I, II, III, II], [aVR, aVL, aVF, V3R], [V1, V2, V3, V7], [V4, V5, V6, V8]]\n"
    )
    command = ["read", str(tmp_path / "page.png"), "-o", str(tmp_path), "--layouts"]
    assert main([*command, str(tmp_path / "layouts.yaml")]) == 0
    assert json.loads((tmp_path / "page.json").read_text())["layout"] == "four rows"
    assert main([*command, str(tmp_path / "page.png")]) == 1
    assert "not a file of page layouts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "colours",
    [
        {"paper": (0, 0, 0), "ink": (0, 255, 0), "grid_major": (0, 90, 0), "grid_minor": (0, 40, 0)},
        {"paper": (20, 20, 40), "ink": (240, 240, 240), "grid": False},
        # the negative of a photo of pink paper
        {
            "paper": (110, 120, 125),
            "ink": (245, 245, 245),
            "grid_major": (120, 180, 180),
            "grid_minor": (115, 150, 150),
        },
    ],
)
def test_light_traces_on_dark_ground(net, colours):
    dark = render_page(beats(), 500, RenderConfig(layout="6x2", dpi=150, **colours))
    recording = digitize(dark.image, net)
    read = recording.page
    assert read.negative and any(note.startswith("light traces on a dark background") for note in read.notes)
    assert len(read.leads.rows) == 6 and all(lead.coverage > 0.9 for lead in read.leads.leads)
    shown = beats()
    shown[:6, 2500:] = shown[6:, :2500] = np.nan
    leads = [compare_lead(true, found, 500) for true, found in zip(shown, recording.signal, strict=True)]
    assert challenge_score(leads) > 12  # the same page in black on white: 17 to 20


def test_a_light_page_on_a_dark_desk_is_no_negative(net, page):
    desk = np.full((3 * page.shape[0] // 2, 3 * page.shape[1] // 2, 3), 30, np.uint8)
    desk[200 : 200 + page.shape[0], 300 : 300 + page.shape[1]] = page.image
    read = understand_page(desk, net)
    assert np.median(desk) < 100 and not read.negative and len(read.leads.rows) == 4
