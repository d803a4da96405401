"""Pages against those that ECG-Image-Kit drew of the same records."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.fidelity import iou
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.layout import LEADS
from ecgpipe.render.page import render_page

pytestmark = pytest.mark.realdata
STEMS = ("00001_hr-0", "00001_lr-0", "00032_hr-0", "00096_lr-0")


def signal_of(kit: dict) -> np.ndarray:
    """The signal (12, samples) in mV that the kit's plotted points show; zero where it shows none.

    A page's baselines and scale are the only unknowns; here they are taken from the kit's own settings.
    """
    unit = kit["x_grid"] * 2  # pixels per mV: two squares of 5 mm
    rows = {708.333: ("I", "aVR", "V1", "V4"), 991.667: ("II", "aVL", "V2", "V5"), 1275.0: ("III", "aVF", "V3", "V6")}
    baseline = {name: y for y, names in rows.items() for name in names}
    signal = np.zeros((12, round(10 * kit["sampling_frequency"])))
    for lead in kit["leads"]:
        strip = lead["lead_name"] == kit["full_mode_lead"] and lead["end_sample"] == signal.shape[1]
        y = np.array(lead["plotted_pixels"])[:, 0]
        level = 1534.711 if strip else baseline[lead["lead_name"]]
        signal[LEADS.index(lead["lead_name"].upper()), lead["start_sample"] : lead["end_sample"]] = (level - y) / unit
    return signal


@pytest.fixture(params=STEMS)
def pair(request, shared_data):
    path = Path(shared_data) / "kit-pages" / f"{request.param}.json"
    kit = json.loads(path.read_text())
    image = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_COLOR_RGB)
    return kit, image, render_page(signal_of(kit), kit["sampling_frequency"], RenderConfig())


def test_samples_and_boxes(pair):
    kit, image, page = pair
    assert page.image.shape == image.shape
    ours = {(e["lead_name"], e["start_sample"], e["end_sample"]): e for e in page.boxes(plotted_pixels=True)["leads"]}
    for theirs in kit["leads"]:
        mine = ours[theirs["lead_name"], theirs["start_sample"], theirs["end_sample"]]
        away = np.abs(np.array(mine["plotted_pixels"]) - np.array(theirs["plotted_pixels"]))
        assert away.max() < 0.05
        assert iou(mine["lead_bounding_box"], theirs["lead_bounding_box"]) > 0.98
        assert iou(mine["text_bounding_box"], theirs["text_bounding_box"]) > 0.9


def test_grid_is_the_same(pair):
    _, image, page = pair
    empty = np.s_[3:550, 3:-3]
    different = np.abs(image[empty].astype(int) - page.image[empty]).max(axis=2) > 3
    assert different.mean() < 0.01


def test_traces_agree_within_a_pixel(pair):
    _, image, page = pair
    columns = np.s_[:, 130:2150]  # right of the pulses, whose edges the kit draws at the sampling rate
    theirs, mine = ((picture[columns].max(axis=2) < 128).astype(np.uint8) for picture in (image, page.image))
    kernel = np.ones((3, 3), np.uint8)
    lost = (theirs & ~cv2.dilate(mine, kernel) & 1).sum() / theirs.sum()
    false = (mine & ~cv2.dilate(theirs, kernel) & 1).sum() / mine.sum()
    assert lost < 0.01
    assert false < 0.01
    assert 0.9 < mine.sum() / theirs.sum() < 1.1
