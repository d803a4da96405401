"""The trace variant: what it keeps and what it drops, on rendered and on real pages."""

import contextlib
import json

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.pictures import read_image
from ecgpipe.config.pages import DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.apply import preprocess, preprocess_file, preprocess_palette
from ecgpipe.preprocess.components import drop_text, hanging_runs, vertical_runs
from ecgpipe.preprocess.ink import drop_specks
from ecgpipe.preprocess.marks import drop_bars, drop_flat_lines, drop_pulses, drop_separators
from ecgpipe.preprocess.rectify import rectify
from ecgpipe.preprocess.scale import shrink
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page

CONFIG = PreprocessConfig()
NEAR = np.ones((3, 3), np.uint8)


def beats(seed: int = 0) -> np.ndarray:
    time = np.arange(5000) / 500
    phase = time % 0.83 - 0.4
    rng = np.random.default_rng(seed)
    wave = 1.2 * np.exp(-((phase / 0.02) ** 2)) + 0.25 * np.exp(-(((phase - 0.22) / 0.05) ** 2))
    drift = 0.1 * np.sin(2 * np.pi * 0.25 * time + rng.uniform(0, 6, (12, 1)))
    return rng.uniform(-1.3, 1.3, (12, 1)) * wave + drift + rng.normal(0, 0.01, (12, 5000))


def lost_and_false(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Shares of true trace not found, and of found ink that is not trace, at 1 pixel tolerance."""
    lost = (truth & ~cv2.dilate(found, NEAR) & 1).sum() / truth.sum()
    false = (found & ~cv2.dilate(truth, NEAR) & 1).sum() / found.sum()
    return lost, false


def true_image(page, size: int = 640) -> np.ndarray:
    return shrink(page.trace_mask * np.uint8(255), size, CONFIG.coverage)


@pytest.fixture(scope="module", params=["kit", "cardiac-images"])
def page(request):
    return render_page(beats(), 500, RenderConfig(layout=request.param))


def test_keeps_the_trace_and_little_else(page):
    result = preprocess(page.image, CONFIG)
    assert result.shape == (640, 640)
    assert set(np.unique(result)) == {0, 1}
    lost, false = lost_and_false(true_image(page), result)
    assert lost < 0.01
    assert false < 0.02


def test_header_frame_text_and_pulses_are_dropped(page):
    result = preprocess(page.image, CONFIG)
    size = np.array(page.indices.shape[::-1]) / 640
    points = np.concatenate([lead.pixels for lead in page.leads]) / size
    assert not result[: int(points[:, 1].min()) - 2].any()
    assert not result[int(points[:, 1].max()) + 4 :].any()
    assert not result[:, : int(points[:, 0].min()) - 2].any()
    everything = preprocess(page.image, PreprocessConfig(drop_text=False, drop_marks=False))
    assert everything.sum() > 1.1 * result.sum()


def test_the_paper_variant_keeps_the_grid_instead(page):
    paper = preprocess(page.image, PreprocessConfig(variant="paper"))
    assert lost_and_false(true_image(page), paper)[1] > 0.5


def test_palette_and_rgb_give_the_same(page):
    assert np.array_equal(preprocess_palette(page.indices, page.palette, CONFIG), preprocess(page.image, CONFIG))


@pytest.mark.parametrize("variant", ["trace", "paper"])
def test_a_file_gives_the_same_as_the_page(page, variant):
    config = PreprocessConfig(variant=variant)
    assert np.array_equal(read_image(page.encode(), "page.png"), page.image)
    rgb = cv2.imencode(".png", page.image[..., ::-1])[1].tobytes()
    expected = preprocess(page.image, config)
    assert np.array_equal(preprocess_file(page.encode(), "page.png", config), expected)
    assert np.array_equal(preprocess_file(rgb, "page.png", config), expected)


def test_half_and_double_size_keep_the_trace():
    page = render_page(beats(), 500, RenderConfig())
    height, width = page.indices.shape
    for factor in (0.5, 1.6):
        size = round(width * factor), round(height * factor)
        scaled = cv2.resize(page.image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        lost, false = lost_and_false(true_image(page), preprocess(scaled, CONFIG))
        assert lost < 0.03, factor
        assert false < 0.05, factor


@pytest.mark.parametrize("dpi", [100, 250])
def test_pulses_are_removed_at_any_resolution(dpi):
    """Lines that are as wide as a separator's at one resolution and not at another."""
    page = render_page(beats(), 500, RenderConfig(dpi=dpi))
    lost, false = lost_and_false(true_image(page), preprocess_palette(page.indices, page.palette, PreprocessConfig()))
    assert lost < 0.01
    assert false < 0.012


def test_uneven_light_does_not_matter():
    page = render_page(beats(), 500, RenderConfig())
    light = np.linspace(0.4, 1, page.indices.shape[1])[None, :, None]
    lost, false = lost_and_false(true_image(page), preprocess((page.image * light).astype(np.uint8), CONFIG))
    assert lost < 0.01
    assert false < 0.02


@pytest.mark.parametrize("grid", [False, True])
def test_grey_page_keeps_the_trace(grid):
    page = render_page(beats(), 500, RenderConfig(grid=grid))
    grey = cv2.cvtColor(page.image, cv2.COLOR_RGB2GRAY)
    lost, false = lost_and_false(true_image(page), preprocess(grey, CONFIG))
    assert lost < 0.01
    assert false < 0.02


def test_blurred_noisy_jpeg_keeps_the_trace(page):
    rng = np.random.default_rng(0)
    blurred = cv2.GaussianBlur(page.image, (0, 0), 1.5) + rng.normal(0, 10, page.image.shape)
    code = cv2.imencode(".jpg", np.clip(blurred, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    lost, false = lost_and_false(
        true_image(page), preprocess(read_image(code.tobytes(), "x.jpg")[..., ::-1].copy(), CONFIG)
    )
    assert lost < 0.02
    assert false < 0.12


@pytest.mark.parametrize("variant", ["trace", "paper"])
@pytest.mark.parametrize("shape", [(700, 900), (700, 900, 3), (40, 2000, 3), (17, 17)])
def test_blank_pages_are_an_error(variant, shape):
    for value in (0, 128, 255):
        with pytest.raises(DataError, match="ink"):
            preprocess(np.full(shape, value, np.uint8), PreprocessConfig(variant=variant))


def test_a_page_of_text_alone_is_an_error():
    image = np.full((850, 1100), 255, np.uint8)
    for row in range(100, 800, 60):
        cv2.putText(image, "no trace here", (100, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 2, cv2.LINE_AA)
    with pytest.raises(DataError, match="ink"):
        preprocess(image, CONFIG)


def test_wrong_arrays_are_rejected():
    with pytest.raises(ValueError, match="uint8"):
        preprocess(np.zeros((100, 100, 3)), CONFIG)
    with pytest.raises(ValueError, match="uint8"):
        preprocess(np.zeros((100, 100, 4), np.uint8), CONFIG)
    with pytest.raises(DataError, match="16"):
        preprocess(np.zeros((8, 100), np.uint8), CONFIG)


def test_noise_does_not_crash():
    rng = np.random.default_rng(0)
    for shape in ((300, 400, 3), (1111, 777), (33, 3000, 3)):
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        with contextlib.suppress(DataError):
            assert preprocess(image, CONFIG).shape == (640, 640)


def test_no_thin_line_vanishes_when_shrunk():
    ink = np.zeros((850, 1100), np.uint8)
    for at in range(10, 800, 40):
        cv2.line(ink, (at, 0), (at + 200, 849), 255, 1)
        ink[at] = 255
    small = shrink(ink, 640, CONFIG.coverage)
    rows = (np.arange(10, 800, 40) + 0.5) / 850 * 640
    assert all(small[int(row) - 1 : int(row) + 2].any(axis=0).all() for row in rows)


def test_separator_is_bridged_where_a_trace_crosses_it():
    ink = np.zeros((400, 300), np.uint8)
    ink[200:202] = 255
    ink[50:350, 150:153] = 255
    drop_separators(ink, 4)
    assert ink[200:202].all()
    assert ink.sum() == 255 * 2 * 300


def test_strokes_above_each_other_are_not_a_separator():
    ink = np.zeros((500, 300), np.uint8)
    for row in range(60, 460, 60):
        wave = np.array([[0, row], [146, row], [149, row - 50], [152, row + 45], [155, row], [299, row]])
        cv2.polylines(ink, [wave], False, 255, 2)
    before = ink.copy()
    drop_separators(ink, 4)
    assert np.array_equal(ink, before)


def test_dots_are_removed_and_thin_lines_remain():
    ink = np.zeros((100, 200), np.uint8)
    ink[::8, ::8] = 255
    line = np.zeros_like(ink)
    cv2.line(line, (3, 20), (190, 75), 255, 1)
    drop_specks(both := cv2.max(ink, line))
    assert not (both[cv2.dilate(line, NEAR) == 0]).any()
    assert (both[line > 0] > 0).mean() > 0.98


def test_parts_outside_the_recording_are_removed_but_not_waves_that_leave_it():
    ink = np.zeros((300, 400), np.uint8)
    ink[20:22, 50:250] = 255  # a long word of the header
    wave = np.array([[10, 150], [200, 150], [206, 35], [212, 160], [390, 150]])
    cv2.polylines(ink, [wave], False, 255, 2)
    drop_text(ink, 4, (60, 290))
    assert not ink[:30].any()
    assert ink[38, 200:212].any()


def test_a_pulse_is_removed_and_a_spike_remains():
    ink = np.zeros((200, 300), np.uint8)
    pulse = np.array([[40, 120], [40, 80], [60, 80], [60, 120]])
    spike = np.array([[100, 120], [150, 120], [156, 60], [162, 125], [200, 120]])
    cv2.polylines(ink, [pulse, spike], False, 255, 2)
    drop_pulses(ink, 4)
    assert not ink[78:119, 36:66].any()
    alone = np.zeros_like(ink)
    cv2.polylines(alone, [spike], False, 255, 2)
    assert np.array_equal(ink[:, 90:], alone[:, 90:])


def test_a_letter_on_a_trace_is_separated_from_the_trace():
    part = np.zeros((60, 200), np.uint8)
    part[40:42] = 1
    part[30:40, 50] = 1  # the stem touches the trace, the bar does not
    part[30:32, 50:60] = 1
    runs = vertical_runs(part)
    dropped = hanging_runs(runs, 4)
    assert {(runs.columns[run], runs.tops[run]) for run in dropped} == {(column, 30) for column in range(51, 60)}


def test_a_slanted_separator_with_gaps_is_removed_from_a_photographed_page():
    ink = np.zeros((400, 300), np.uint8)
    cv2.line(ink, (150, 50), (151, 350), 255, 2)
    ink[100:300:30] = 0
    ink[200:202] = 255
    photographed = ink.copy()
    drop_separators(ink, 4)
    assert ink[60:90, 148:155].any()
    drop_separators(photographed, 4, photographed=True)
    assert not photographed[60:195, 140:160].any()
    assert photographed[200:202].all()


def test_a_bar_that_a_trace_crosses_is_removed_and_a_stroke_remains():
    ink = np.zeros((200, 300), np.uint8)
    trace = np.array([[10, 100], [90, 100], [150, 100], [156, 60], [162, 120], [168, 100], [290, 100]])
    cv2.polylines(ink, [trace], False, 255, 2)
    alone = ink.copy()
    ink[85:113, 50:54] = 255
    blurred = cv2.GaussianBlur(ink, (0, 0), 0.8)
    drop_bars(blurred, 4, photographed=True)
    assert not (blurred[:95, 40:65] > 64).any()
    assert ((blurred > 64) >= (alone > 254)).mean() > 0.999


def test_level_lines_are_removed_and_traces_remain():
    ink = np.zeros((600, 800), np.uint8)
    for left in range(50, 700, 70):  # a rule with gaps, and slightly bent
        cv2.line(ink, (left, 60 + left // 200), (left + 60, 60 + (left + 60) // 200), 255, 2)
    cv2.line(ink, (20, 300), (780, 303), 255, 2)
    trace = np.zeros_like(ink)
    for top in (90, 400, 560):
        x = np.arange(20, 780)
        y = top - 14 * np.exp(-(((x % 90) - 40) ** 2) / 8) - 4 * np.exp(-(((x % 90) - 70) ** 2) / 60)
        cv2.polylines(trace, [np.stack([x, y], axis=1).round().astype(np.int32)], False, 255, 2)
    both = cv2.max(ink, trace)
    drop_flat_lines(both, 4)
    assert np.array_equal(both, trace)


def test_words_are_removed_from_a_photographed_page_and_broken_traces_remain():
    ink = np.zeros((400, 1000), np.uint8)
    x = np.arange(0, 100)
    word = np.stack([60 + x, 60 + 15 * np.sin(x / 3)], axis=1).round().astype(np.int32)
    cv2.polylines(ink, [word], False, 255, 2)
    whole = ink.copy()
    for left in (20, 115, 210, 305):  # a row in pieces of 22 mm, 1 mm apart
        ink[200:202, left : left + 90] = 255
    pieces = ink[150:].copy()
    drop_text(ink, 4, (0, 400), photographed=True)
    assert not ink[:150].any()
    assert np.array_equal(ink[150:], pieces)
    drop_text(whole, 4, (0, 400))
    assert whole[:150].any()  # on a printed page, what is that long is a trace


@pytest.mark.parametrize(("layout", "level"), [("kit", "photo"), ("cardiac-images", "photo"), ("kit", "harsh")])
def test_degraded_pages_keep_their_traces(layout, level):
    config = DegradeConfig(level=level, seed=5)
    page = degrade_page(render_page(beats(), 500, RenderConfig(layout=layout)), config, "a")
    image = read_image(page.encode(), "a")
    found = rectify(image)
    assert found.changed
    truth = shrink(found.warp(page.trace_mask * np.uint8(255)), 640, CONFIG.coverage)
    lost, false = lost_and_false(truth, preprocess(image, CONFIG))
    assert lost < 0.05
    assert false < 0.05


@pytest.mark.realdata
def test_kit_pages_keep_their_traces(shared_data):
    for path in sorted((shared_data / "kit-pages").glob("*_hr-0.png"))[:4]:
        kit = json.loads(path.with_suffix(".json").read_text())
        truth = np.zeros((kit["height"], kit["width"]), np.uint8)
        for lead in kit["leads"]:
            points = np.array(lead["plotted_pixels"])[:, ::-1]
            cv2.polylines(truth, [np.round((points - 0.5) * 256).astype(np.int32)], False, 255, 2, cv2.LINE_8, 8)
        found = preprocess(read_image(path.read_bytes(), path.name), CONFIG)
        lost, false = lost_and_false(shrink(truth, 640, 0.25), found)
        assert lost < 0.01, path.name
        assert false < 0.015, path.name


@pytest.mark.realdata
def test_real_report_pages_lose_header_frame_and_footer(shared_data):
    files = sorted((shared_data / "cardiac-images").glob("*/*(1*).jpg"))[::12]
    assert len(files) >= 8
    for path in files:
        found = preprocess(read_image(path.read_bytes(), path.name), CONFIG)
        assert not found[: int(0.17 * 640)].any(), path.name  # header
        assert not found[int(0.975 * 640) :].any(), path.name  # footer
        assert not found[:, : int(0.05 * 640)].any(), path.name  # frame and pulses
        # all four rows reach across the page
        columns = found[:, int(0.08 * 640) : int(0.94 * 640)].any(axis=0)
        assert columns.mean() > 0.99, path.name


def test_a_crop_enlarges_the_rest(page):
    """Hand-cut: the true trace of the page, cut at the same pixels, scaled to the same square."""
    crop = (0.28, 0.04, 0.02, 0.04)
    result = preprocess(page.image, PreprocessConfig(trace_crop=crop, deskew=False))
    height, width = page.trace_mask.shape
    cut = page.trace_mask[round(0.28 * height) : height - round(0.02 * height), round(0.04 * width) :]
    cut = cut[:, : cut.shape[1] - round(0.04 * width)]
    lost, false = lost_and_false(shrink(np.ascontiguousarray(cut) * np.uint8(255), 640, CONFIG.coverage), result)
    assert lost < 0.01 and false < 0.02
    assert result.sum() > 1.2 * preprocess(page.image, CONFIG).sum()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"trace_crop": (0.28, 0, 0, 0)}, "deskew: false"),
        ({"trace_crop": (0.45, 0, 0.45, 0), "deskew": False}, "tenth of the page"),
        ({"crop": (0, 0.45, 0, 0.49), "variant": "paper"}, "tenth of the page"),
        ({"trace_crop": (0.5, 0, 0, 0), "deskew": False}, "less than 0.5"),
    ],
)
def test_invalid_crops_are_rejected(keys, message):
    with pytest.raises(ValueError, match=message):
        PreprocessConfig(**keys)
