"""Rendering: hand-computed geometry, exact repetition, a true mask, and lossless files."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page, short_note
from ecgpipe.render.template import fill_rectangle, line_profile

RATE = 500.0
MM = 200 / 25.4  # pixels per millimetre of the default page


def beats(seconds: float = 10, rate: float = RATE, seed: int = 0) -> np.ndarray:
    """Twelve leads of narrow spikes on a slow wave, in mV."""
    time = np.arange(round(seconds * rate)) / rate
    phase = time % 0.8 - 0.4
    wave = 1.2 * np.exp(-((phase / 0.015) ** 2)) + 0.2 * np.exp(-(((phase - 0.2) / 0.05) ** 2))
    scale = np.random.default_rng(seed).uniform(-1, 1, (12, 1))
    return scale * wave + 0.05 * np.sin(2 * np.pi * 0.3 * time)


def lead(page, name, index=0):
    return [lead for lead in page.leads if lead.name == name][index]


def test_one_millivolt_is_ten_millimetres_and_a_second_25():
    flat, high = np.zeros((12, 5000)), np.ones((12, 5000))
    low, up = (lead(render_page(signal, RATE, RenderConfig()), "II") for signal in (flat, high))
    assert low.pixels[:, 1] - up.pixels[:, 1] == pytest.approx(10 * MM)
    assert low.pixels[500, 0] - low.pixels[0, 0] == pytest.approx(25 * MM)
    assert low.pixels[0] == pytest.approx([15 * MM, 215.9 * 7 / 12 * MM])


@pytest.mark.parametrize(("speed", "gain", "dpi"), [(25, 5, 200), (50, 10, 200), (25, 20, 150), (50, 5, 100)])
def test_speed_gain_and_resolution_scale_the_trace(speed, gain, dpi):
    page = render_page(np.ones((12, 5000)), RATE, RenderConfig(paper_speed=speed, gain=gain, dpi=dpi))
    shown = lead(page, "V1")
    scale = dpi / 25.4
    assert shown.pixels[100, 0] - shown.pixels[0, 0] == pytest.approx(0.2 * speed * scale)
    assert 215.9 * 5 / 12 * scale - shown.pixels[0, 1] == pytest.approx(gain * scale)
    assert shown.end_sample - shown.start_sample == round(62.5 / speed * RATE)


def test_columns_show_their_own_stretch_of_time():
    page = render_page(beats(), RATE, RenderConfig())
    ranges = [(lead(page, name).start_sample, lead(page, name).end_sample) for name in ("I", "aVR", "V1", "V4")]
    assert ranges == [(0, 1250), (1250, 2500), (2500, 3750), (3750, 5000)]
    strip = lead(page, "II", 1)
    assert (strip.start_sample, strip.end_sample) == (0, 5000)


@pytest.mark.parametrize(
    ("layout", "size"),
    [("kit", (1700, 2200)), ("cardiac-images", (1572, 2213)), ("6x2", (1654, 2339)), ("12x1", (1654, 2339))],
)
def test_page_sizes_and_mask_follow_the_plotted_points(layout, size):
    page = render_page(beats(), RATE, RenderConfig(layout=layout))
    assert page.image.shape == (*size, 3)
    points = np.floor(np.concatenate([lead.pixels for lead in page.leads])).astype(int)
    near = cv2.dilate(page.trace_mask, np.ones((3, 3), np.uint8))
    assert near[points[:, 1], points[:, 0]].mean() > 0.999
    drawn = np.zeros(size, np.uint8)
    drawn[points[:, 1], points[:, 0]] = 1
    line = [np.round((lead.pixels - 0.5) * 256).astype(np.int32) for lead in page.leads]
    cv2.polylines(drawn, line, False, 1, 3, cv2.LINE_8, 8)
    assert (page.trace_mask & ~cv2.dilate(drawn, np.ones((5, 5), np.uint8)) & 1).sum() == 0


def test_trace_has_the_configured_width():
    page = render_page(np.zeros((12, 5000)), RATE, RenderConfig(grid=False, pulse=False, separators=False))
    column = (255 - page.image[:, 200, 0].astype(float)) / 255
    row = round(215.9 * 5 / 12 * MM)
    assert column[row - 6 : row + 6].sum() == pytest.approx(0.75 * 200 / 72, abs=0.35)


def test_the_darkest_ink_of_every_column_lies_on_the_samples():
    page = render_page(beats(), RATE, RenderConfig(grid=False, pulse=False, separators=False, lead_names=False))
    strip = lead(page, "II", 1)
    for at in range(100, 4900, 37):
        x, y = strip.pixels[at]
        assert page.image[int(y) - 1 : int(y) + 2, int(x), 0].min() < 128


def test_the_same_signal_gives_the_same_bytes_and_another_one_does_not():
    config = RenderConfig()
    first, second = render_page(beats(), RATE, config), render_page(beats(), RATE, config)
    assert first.encode() == second.encode()
    assert first.encode() != render_page(beats(seed=1), RATE, config).encode()


def test_png_is_lossless_and_states_its_resolution():
    page = render_page(beats(), RATE, RenderConfig())
    data = page.encode()
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(decoded, page.image)
    with Image.open(BytesIO(data)) as picture:
        picture.verify()
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_boxes_contain_trace_pulse_and_name():
    page = render_page(beats(), RATE, RenderConfig())
    boxes = page.boxes(plotted_pixels=True)
    assert (boxes["width"], boxes["height"], len(boxes["leads"])) == (2200, 1700, 13)
    first = next(entry for entry in boxes["leads"] if entry["lead_name"] == "I")
    corners = first["lead_bounding_box"]
    assert corners["0"][1] == int(10 * MM)  # the pulse's left edge
    y, x = first["plotted_pixels"][17]
    assert (x, y) == pytest.approx(tuple(lead(page, "I").pixels[17]), abs=0.006)
    top, left = first["text_bounding_box"]["0"]
    bottom, right = first["text_bounding_box"]["2"]
    name = page.image[top : bottom + 1, left : right + 1].max(axis=2)
    assert (name < 100).sum() > 40


@pytest.mark.parametrize("layout", ["kit", "cardiac-images", "12x1"])
def test_pulses_and_grid_lines_are_where_the_page_shows_them(layout):
    page = render_page(beats(), RATE, RenderConfig(layout=layout, lead_names=False, separators=False))
    assert len(page.pulses) == {"kit": 4, "cardiac-images": 4, "12x1": 12}[layout]
    for points in page.pulses:
        corners = points[1:-1] if len(points) > 4 else points  # without the baseline beside it
        assert corners[0, 1] - corners[1, 1] == pytest.approx(10 * MM)
        x, y = np.linspace(corners[1], corners[2], 9)[1:-1].T  # the flat top
        assert page.image[np.floor(y).astype(int), np.floor(x).astype(int)].max() < 128
    grid, (height, width) = layout_named(layout).grid, page.shape
    x0, y0, x1, y1 = np.multiply(grid.box, MM) if grid.box else (0, 0, width, height)
    rows = slice(int(y0) + 5, int(y1) - 5)
    lines = (grid.x + grid.pitch * np.arange(-50, 300)) * MM
    at = np.round(lines[(lines > x0 + 5) & (lines < x1 - 5)]).astype(int)
    darkness = 255 - page.image[rows].min(axis=2).mean(axis=0)
    assert darkness[at].mean() > 1.5 * np.delete(darkness[int(x0) + 5 : int(x1) - 5], at - int(x0) - 5).mean()


def test_everything_but_the_traces_can_be_left_out():
    plain = RenderConfig(grid=False, pulse=False, separators=False, lead_names=False, annotations=False)
    page = render_page(beats(), RATE, plain)
    ink = page.image[4:-4, 4:-4].max(axis=2) < 128
    assert not (ink & (cv2.dilate(page.trace_mask, np.ones((3, 3), np.uint8))[4:-4, 4:-4] == 0)).any()
    assert all(lead.text_box is None for lead in page.leads)


def test_colours_are_as_configured():
    colours = {"paper": (250, 240, 230), "grid_major": (0, 0, 200), "grid_minor": (150, 150, 250), "ink": (10, 20, 30)}
    image = render_page(beats(), RATE, RenderConfig(**colours)).image
    for colour in colours.values():
        assert (image == colour).all(axis=2).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_rejected(bad):
    signal = beats()
    signal[3, 100] = bad
    with pytest.raises(ValueError, match="finite"):
        render_page(signal, RATE, RenderConfig())


def test_a_short_signal_is_drawn_as_far_as_it_goes():
    whole, config = beats(), RenderConfig()
    for samples, absent in ((9.99, ()), (7, ("V4", "V5", "V6")), (5, ("V1", "V2", "V3", "V4", "V5", "V6"))):
        length = round(samples * RATE)
        page = render_page(whole[:, :length], RATE, config)
        note = short_note(length, RATE, config)
        assert f"{samples:g} s, the page 10 s" in note
        assert [name for name in ("V1", "V4", "V6") if name in note] == [n for n in ("V1", "V4", "V6") if n in absent]
        full = render_page(whole, RATE, config)
        rhythm, short = full.leads[-1], page.leads[-1]
        assert np.array_equal(short.pixels, rhythm.pixels[:length])
        last = short.pixels[-1, 0] + 3
        columns = np.arange(full.shape[1]) > last
        rows = slice(int(rhythm.pixels[:, 1].min()) - 5, int(rhythm.pixels[:, 1].max()) + 5)
        assert not page.trace_coverage()[rows, columns].any()  # blank after the end of the signal
        assert not {lead.name for lead in page.leads} & set(absent)
    assert short_note(10 * RATE, RATE, config) is None


def test_a_lead_that_is_not_on_the_page_is_named():
    signal = beats()
    signal[8] += 50
    with pytest.raises(ValueError, match=r"lead V3 is not on the page: it is around 50"):
        render_page(signal, RATE, RenderConfig())


def test_misshapen_signals_are_rejected():
    with pytest.raises(ValueError, match="nothing to draw"):
        render_page(beats()[:, :1], RATE, RenderConfig())
    with pytest.raises(ValueError, match="shape"):
        render_page(beats()[:8], RATE, RenderConfig())
    assert render_page(beats(seconds=5), RATE, RenderConfig(paper_speed=50)).leads


def test_absurd_voltages_stay_on_the_page():
    page = render_page(beats() * 1e6, RATE, RenderConfig())
    assert all(0 <= v <= 2200 for lead in page.leads for v in lead.box)
    assert page.image.shape == (1700, 2200, 3)


def test_partial_coverage_is_exact():
    cover = np.zeros((4, 5))
    fill_rectangle(cover, 1.25, 0.5, 3.5, 3)
    assert cover.sum() == pytest.approx(2.25 * 2.5)
    assert cover[0].tolist() == pytest.approx([0, 0.375, 0.5, 0.25, 0])


def test_grid_lines_are_centred_and_have_the_configured_width():
    assert line_profile(7, np.array([3.2]), 1.4).tolist() == pytest.approx([0, 0, 0.2, 1, 0.2, 0, 0])


def test_gaps_are_left_out_and_nothing_else_changes():
    signal, config = beats(), RenderConfig(grid=False, separators=False)
    whole = render_page(signal, RATE, config)
    assert np.array_equal(render_page(signal, RATE, config, gaps=True).image, whole.image)
    part = signal.copy()
    part[0, 300:500], part[7:], part[1, 4000:] = np.nan, np.nan, np.nan
    page = render_page(part[:, :4500], RATE, config, gaps=True)
    pieces = [(each.name, each.start_sample, each.end_sample) for each in page.leads if each.name in ("I", "II")]
    assert pieces == [("I", 0, 300), ("I", 500, 1250), ("II", 0, 1250), ("II", 0, 4000)]
    assert not [each for each in page.leads if each.name in ("V2", "V3", "V4", "V5", "V6")]
    near = cv2.dilate(whole.trace_mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    assert page.trace_mask.any() and not (page.trace_mask & ~near & 1).any()
    x = render_page(signal, RATE, config).leads[0].pixels[310:490, 0]
    rows = slice(0, int(whole.leads[0].pixels[:, 1].max()) + 30)
    assert not page.trace_mask[rows, int(x[0]) : int(x[-1])].any()
