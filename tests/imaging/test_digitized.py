"""Pages that are digitized and drawn again: the same image from any layout, blank where a page shows nothing."""

from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.artifacts.digitized import SAMPLING_RATE, DigitizedRecord, read_digitized, write_digitized
from ecgpipe.artifacts.files import write_arrays
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.artifacts.tables import IMAGE_INDEX, PROBLEMS
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.imaging.digitize import digitize_pages
from ecgpipe.imaging.pages import RedrawnPages, RenderedPages, page_source
from ecgpipe.imaging.redraw import redrawn_image
from ecgpipe.imaging.shard import make_images
from ecgpipe.predict.pages import PageReader
from ecgpipe.preprocess.apply import prepare
from ecgpipe.render.page import render_page
from tests.preprocess.pages import NEAR, beats

CONFIG = PreprocessConfig(**{"from": "digitized", "size": 320})
CLEAN = RenderConfig()
SIGNAL = beats()


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient of two images at one pixel (0.9 mm) tolerance."""
    hits = (first & cv2.dilate(second, NEAR)).sum() + (second & cv2.dilate(first, NEAR)).sum()
    return float(hits / (first.sum() + second.sum()))


def seen_in_6x2(signal: np.ndarray) -> np.ndarray:
    """What a page of 6x2 shows: limb leads for 5 s, then chest leads."""
    seen = signal.copy()
    seen[:6, 2500:] = np.nan
    seen[6:, :2500] = np.nan
    return seen


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """An image dataset, digitized: a page of 6x2, a file that is not an image, a white page, a missing file."""
    folder = tmp_path_factory.mktemp("digitized")
    cv2.imwrite(str(folder / "a.png"), render_page(SIGNAL, 500, RenderConfig(layout="6x2", dpi=130)).image[..., ::-1])
    (folder / "b.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "c.png"), np.full((600, 800), 255, np.uint8))
    table = pd.DataFrame({"record_id": [*"abcd"], "path": ["a.png", "b.png", "c.png", "d.png"]})
    file, problems = folder / "00.npz", folder / "00.problems.parquet"
    pages = RenderedPages(table, folder, None, None)
    names = {name: f"{name}.png" for name in "abcd"}
    assert digitize_pages(pages, None, file, problems, title="t", names=names) == 1
    return SimpleNamespace(folder=folder, file=file, problems=PROBLEMS.read(problems), table=table)


@pytest.fixture(scope="module")
def images(shard):
    """The images of its recordings: array, index file, problems."""
    outputs = [shard.folder / f"00{end}" for end in (".npy", ".index.parquet", ".images.parquet")]
    assert make_images(RedrawnPages([shard.file], {}), CONFIG, *outputs, title="t") == 1
    return unpack(open_images(outputs[0])), outputs[1], PROBLEMS.read(outputs[2])


def test_a_page_of_another_layout_gives_the_canonical_image_where_it_shows_it(images):
    image = images[0][0]
    expected = redrawn_image(seen_in_6x2(SIGNAL), 500, CLEAN, CONFIG).image
    assert overlap(image, expected) > 0.9
    whole = redrawn_image(SIGNAL, 500, CLEAN, CONFIG).image
    strip = np.s_[220:, 170:]  # lead II from 5 s on, which the page does not show
    assert whole[strip].any() and not image[strip].any()


def test_pages_that_cannot_be_digitized_are_in_the_problems_table(shard, images):
    assert shard.problems[["stage", "record_id", "problem"]].values.tolist() == [
        ["render", "d", "missing-file"],
        ["digitize", "b", "unusable-page"],
        ["digitize", "c", "unusable-page"],
    ]
    assert shard.problems.set_index("record_id")["file"]["c"] == "c.png"
    assert "no ECG" in shard.problems.set_index("record_id")["detail"]["c"]
    assert IMAGE_INDEX.read(images[1])["record_id"].tolist() == ["a"] and not len(images[2])


def test_strict_stops_at_a_page_that_cannot_be_digitized(shard, tmp_path):
    pages = RenderedPages(shard.table.iloc[[2]], shard.folder, None, None)
    with pytest.raises(DataError, match=r"record c.*no ECG.*strict"):
        digitize_pages(pages, None, tmp_path / "a.npz", tmp_path / "p.parquet", title="t", strict=True)
    assert not list(tmp_path.iterdir())


def test_a_recording_outside_of_the_layout_is_a_problem_not_a_blank_image(tmp_path):
    """Lead V6 of the first two seconds is not on a page of 3x4."""
    signal = np.full((12, 5000), np.nan)
    signal[11, :1000] = 0.1
    write_digitized([DigitizedRecord("x", signal, {})], tmp_path / "x.npz")
    outputs = [tmp_path / name for name in ("x.npy", "x.index.parquet", "x.problems.parquet")]
    assert make_images(RedrawnPages([tmp_path / "x.npz"], {}), CONFIG, *outputs, title="t") == 0
    table = PROBLEMS.read(outputs[2])
    assert table[["stage", "record_id"]].values.tolist() == [["preprocess", "x"]]
    assert "the layout kit shows no part" in table["detail"][0]


def test_missing_leads_do_not_move_the_others():
    some = SIGNAL.copy()
    some[[1, 2, 5]] = np.nan  # II with the strip, III and aVF
    part, whole = (redrawn_image(signal, 500, CLEAN, CONFIG).image for signal in (some, SIGNAL))
    assert part.any() and not (part & ~whole & 1).any()


def test_details_state_what_was_found(shard):
    (record,) = read_digitized(shard.file)
    assert record.details["layout"] == "6x2" and record.details["gain_mm_per_mv"] == 10
    assert record.details["missing"] == []
    assert {lead["name"].upper() for lead in record.details["digitized"]} == set(LEADS)
    assert all(0.5 < lead["confidence"] <= 1 for lead in record.details["digitized"])
    assert np.isnan(record.signal[0, 2600:]).all() and np.isfinite(record.signal[0, 100:2400]).mean() > 0.95


def test_redrawn_pages_are_where_the_images_transform_says(shard, images):
    (page,) = page_source([shard.file], "unused", {"canonical": {"dpi": 100}}).find(["a", "c"]).values()
    picture = cv2.imdecode(np.frombuffer(page.image, np.uint8), cv2.IMREAD_COLOR)
    rows, columns = np.nonzero((picture < 60).all(axis=2) & (np.indices(picture.shape[:2])[0] > 0.35 * len(picture)))
    points = read_transforms([images[1]], ["a"])["a"].to_image(
        (np.stack([columns, rows], axis=1) + 0.5) / picture.shape[1::-1]
    )
    drawn = np.zeros((CONFIG.size, CONFIG.size), np.uint8)
    inside = ((points > 0) & (points < 1)).all(axis=1)
    drawn[tuple((points[inside] * CONFIG.size).astype(int).T[::-1])] = 1
    assert (images[0][0] & cv2.dilate(drawn, NEAR)).sum() > 0.95 * images[0][0].sum()


def test_prediction_does_the_same(shard, images):
    """From the picture to the model's input; a recording is drawn without being digitized."""
    saved = SimpleNamespace(preprocessing=CONFIG, drawing={"render": None})
    reader = PageReader(saved)
    (page,) = reader.read(shard.folder / "a.png")
    assert overlap(page.image, images[0][0]) > 0.99
    assert any("assumed to show 10 s" in note for note in page.notes)
    (error,) = reader.read(shard.folder / "c.png")
    assert isinstance(error, DataError) and "no ECG" in str(error)


def test_prediction_names_the_leads_that_the_layout_leaves_blank(shard, monkeypatch):
    """A page of 6x2 at 50 mm/s shows the chest leads from 2.5 to 5 s, a page of 3x4 at 25 mm/s from 5 s on."""
    seen = SIGNAL[:, :2500].copy()
    seen[:6, 1250:] = np.nan
    seen[6:, :1250] = np.nan
    record = DigitizedRecord("a", seen, {"missing": [], "notes": ["x"]})
    monkeypatch.setattr("ecgpipe.predict.pages.digitize_picture", lambda *_: record)
    (page,) = PageReader(SimpleNamespace(preprocessing=CONFIG, drawing={"render": None})).read(shard.folder / "a.png")
    assert page.image.any()
    blank = "aVR, aVL, aVF, V1, V2, V3, V4, V5, V6"
    assert page.notes == ("x", f"the model does not see {blank}: the layout kit shows other seconds of them")


def test_nothing_reads_such_pages_as_they_lie():
    with pytest.raises(ValueError, match="digitized"):
        prepare(np.full((600, 800), 255, np.uint8), CONFIG)
    for pages, config in ((StoredPages([]), CONFIG), (RedrawnPages([], {}), PreprocessConfig())):
        with pytest.raises(ValueError, match="does not fit"):
            make_images(pages, config, "a", "b", "c", title="t")


def test_recordings_round_trip(tmp_path):
    records = [
        DigitizedRecord(name, SIGNAL[:, :n].astype(np.float16), {"notes": [name]}) for name, n in (("a", 50), ("b", 70))
    ]
    write_digitized(records, tmp_path / "a.npz")
    first, second = read_digitized(tmp_path / "a.npz")
    assert (first.record_id, second.details) == ("a", {"notes": ["b"]})
    assert np.array_equal(first.signal[:, :50], records[0].signal) and np.isnan(first.signal[:, 50:]).all()
    assert np.array_equal(second.signal, records[1].signal)
    write_digitized([], tmp_path / "a.npz")
    assert read_digitized(tmp_path / "a.npz") == []


@pytest.mark.parametrize("change", [{"sampling_rate": np.array(100)}, {"signals": np.zeros((1, 3, 9), np.float16)}, {}])
def test_damaged_recordings_are_named(tmp_path, change):
    arrays = {
        "record_ids": np.array(["a"]),
        "signals": np.zeros((1, 12, 9), np.float16),
        "sampling_rate": np.array(SAMPLING_RATE),
        "details": np.array(["{" if not change else "{}"]),
    }
    write_arrays(tmp_path / "a.npz", **arrays | change)
    with pytest.raises(DataError, match=r"a\.npz: .*delete it and run again"):
        read_digitized(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"from": "digitized", "variant": "paper"}, r"preprocess: from: digitized requires variant: reader.*paper"),
        ({"from": "recording"}, r"preprocess\.from: .*'page' or 'digitized'.*'recording'"),
        ({"form": "page"}, r"preprocess\.form: unknown key; did you mean from\?"),
    ],
)
def test_wrong_settings_are_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        validate_config({"preprocess": section})


def test_the_key_is_stored_under_its_name():
    assert CONFIG.model_dump(mode="json")["from"] == "digitized"
    assert PreprocessConfig(**CONFIG.model_dump(mode="json")) == CONFIG


SCAN = {"degrade": {"level": "scan"}}
FROM = {"from": "digitized"}


@pytest.mark.parametrize(
    ("settings", "read", "digitized", "drawn"),
    [
        ({}, False, False, True),
        ({"render": SCAN}, True, False, False),
        ({"preprocess": FROM}, False, False, True),  # the traces of clean pages are known
        ({"preprocess": FROM, "render": SCAN}, True, True, False),
        ({"preprocess": FROM, "render": SCAN, "keep_pages": False}, True, True, False),
        ({"preprocess": {"variant": "paper"}}, False, False, False),
        ({"preprocess": {"variant": "paper"}, "keep_pages": False}, False, False, True),
    ],
)
def test_which_images_the_page_reader_makes(settings, read, digitized, drawn):
    config = validate_config(settings)
    found = config.reads_pictures("ptb-xl"), config.digitizes("ptb-xl"), config.draws_images("ptb-xl")
    assert found == (read, digitized, drawn)
    assert config.reads_pictures("cardiac-images") is (settings.get("preprocess", {}).get("variant") != "paper")
    assert config.digitizes("cardiac-images") is ("from" in settings.get("preprocess", {}))


def test_known_traces_are_drawn_like_digitized_ones(tmp_path, monkeypatch):
    """Clean pages of recordings are not digitized, degraded ones are; both are drawn at the same place."""
    wfdb.wrsamp(
        "x", 500, ["mV"] * 12, list(LEADS), SIGNAL.T, fmt=["16"] * 12, adc_gain=[1000] * 12, baseline=[0] * 12,
        write_dir=str(tmp_path),
    )  # fmt: skip
    table = pd.DataFrame({"record_id": ["x"], "path": ["x"]})
    expected = redrawn_image(SIGNAL, 500, CLEAN, CONFIG).image
    outputs = [tmp_path / name for name in ("x.npy", "x.index.parquet", "x.problems.parquet")]
    digitized = []

    def known(picture, record_id, weights):
        digitized.append(picture.shape)
        return DigitizedRecord(record_id, SIGNAL, {"notes": []})

    monkeypatch.setattr("ecgpipe.imaging.redraw.digitize_picture", known)
    for render, times in (({}, 0), (SCAN, 1)):
        assert make_images(RenderedPages(table, tmp_path, None, render), CONFIG, *outputs, title="t") == 1
        assert overlap(unpack(open_images(outputs[0]))[0], expected) > 0.99 and len(digitized) == times


def test_lead_names_of_the_training_and_of_the_command_are_both_known():
    drawing = {"render": None, "reading": {"lead_names": {"VR": "aVR"}, "uncalibrated_gain": 200.0}}
    reader = PageReader(SimpleNamespace(preprocessing=CONFIG, drawing=drawing), reading={"lead_names": {"QRS7": "V6"}})
    assert reader._reading == {"lead_names": {"VR": "aVR", "QRS7": "V6"}, "uncalibrated_gain": 200.0}
