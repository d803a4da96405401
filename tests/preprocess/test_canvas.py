"""The canvas of the variant reader: traces keep their size in mm and come to the middle."""

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.preprocess.canvas import CANVAS, Canvas, canvas_of_traces

CONFIG = PreprocessConfig(variant="reader", size=320)


def page(mm: float, left: float, top: float, rows: int = 4, pitch: float = 30) -> np.ndarray:
    """Coverage of a page of 300 x 420 mm with level rows, each 250 mm long."""
    cover = np.zeros((int(420 * mm), int(300 * mm)), np.uint8)
    for row in range(rows):
        y = int((top + row * pitch) * mm)
        cover[y : y + max(2, int(0.4 * mm)), int(left * mm) : int((left + 250) * mm)] = 255
    return cover


def test_the_place_on_the_page_does_not_matter() -> None:
    first, _ = canvas_of_traces(page(5, 5, 40), 5, CONFIG)
    second, _ = canvas_of_traces(page(5, 40, 150), 5, CONFIG)
    assert first.any() and (first != second).mean() < 0.005


def test_the_resolution_does_not_matter() -> None:
    first, _ = canvas_of_traces(page(4, 10, 40), 4, CONFIG)
    second, _ = canvas_of_traces(page(8, 10, 40), 8, CONFIG)
    near = np.ones((3, 3), np.uint8)
    assert (first & ~cv2.dilate(second, near)).sum() == 0 == (second & ~cv2.dilate(first, near)).sum()


def test_rows_have_their_distance_in_millimetres() -> None:
    image, _ = canvas_of_traces(page(5, 10, 40, rows=2, pitch=50), 5, CONFIG)
    y = np.flatnonzero(np.diff(image.any(axis=1).astype(int), prepend=0) == 1)
    assert np.diff(y) == pytest.approx(50 / CANVAS[1] * CONFIG.size, abs=1.5)


def test_traces_larger_than_the_canvas_are_shown_whole() -> None:
    image, _ = canvas_of_traces(page(4, 10, 20, rows=12), 4, CONFIG)  # 330 mm high
    assert (np.diff(image.any(axis=1).astype(int), prepend=0) == 1).sum() == 12


def test_a_part_beyond_the_page_is_empty() -> None:
    canvas = Canvas(page(4, 10, 5, rows=1) > 0, 4)
    assert canvas.top < 0
    cut = canvas.cut(np.full((1680, 1200), 255, np.uint8))
    assert cut.shape == (canvas.height, canvas.width) and not cut[: -canvas.top].any() and cut[-canvas.top :].any()


def test_the_transform_leads_from_the_page_to_the_image() -> None:
    cover = page(5, 10, 40)
    image, transform = canvas_of_traces(cover, 5, CONFIG)
    start = np.array([[10 / 300, 40.2 / 420]])  # of the first row
    x, y = transform.to_image(start)[0] * CONFIG.size
    assert image[int(y) - 2 : int(y) + 3, int(x) + 2].any() and not image[:, : int(x) - 2].any()


def test_a_fitted_transform_has_homography_and_bend() -> None:
    true = PageTransform(np.array([[1.2, 0.1, -0.1], [0.05, 1.1, -0.05], [0.08, -0.03, 1]]), None)
    side = np.linspace(0, 1, 17)
    image = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    bent = image + np.stack([0 * image[:, 0], 0.02 * np.sin(3 * image[:, 0])], axis=1)
    on_page = cv2.perspectiveTransform(bent[None], np.linalg.inv(true.matrix))[0]
    fitted = PageTransform.fitted(on_page, image)
    assert np.abs(fitted.to_image(on_page) - image).max() < 0.002
    flat = PageTransform.fitted(cv2.perspectiveTransform(image[None], np.linalg.inv(true.matrix))[0], image)
    assert flat.bend is None and np.allclose(flat.matrix / flat.matrix[2, 2], true.matrix, atol=1e-6)
