"""Scaling ink: areas are averaged, and no thin line vanishes."""

import cv2
import numpy as np
import pytest

from ecgpipe.preprocess.canvas import shrink


@pytest.mark.parametrize("density", [0.02, 0.5])
@pytest.mark.parametrize("shape", [(850, 1100), (700, 641), (640, 640)])
def test_shrinking_averages_over_areas(shape, density):
    rng = np.random.default_rng(3)
    ink = np.where(rng.random(shape) < density, rng.integers(1, 256, shape), 0).astype(np.uint8)
    height, width = shape
    shares = [np.clip(np.minimum.outer(np.arange(1, 641) * n / 640, np.arange(1, n + 1))
              - np.maximum.outer(np.arange(640) * n / 640, np.arange(n)), 0, None) for n in shape]  # fmt: skip
    mean = shares[0] @ ink.astype(float) @ shares[1].T / (height / 640 * width / 640)
    result = shrink(ink, 640, 0.25)
    clear = np.abs(mean - 63.5) > 0.5 + 1e-9
    assert np.array_equal(result[clear], (mean > 63.5)[clear].astype(np.uint8))
    assert 0 < result.sum() < result.size


def test_few_and_many_pixels_are_scaled_alike():
    """The way for sparse ink agrees with OpenCV's area interpolation, which rounds."""
    ink = np.zeros((850, 1100), np.uint8)
    cv2.polylines(ink, [np.array([[5, 400], [500, 20], [700, 830], [1090, 300]])], False, 255, 2, cv2.LINE_AA)
    scaled = cv2.resize(ink, (640, 640), interpolation=cv2.INTER_AREA)
    assert (shrink(ink, 640, 0.25) != (scaled >= 64)).mean() < 1e-5


def test_no_thin_line_vanishes_when_shrunk():
    ink = np.zeros((850, 1100), np.uint8)
    for at in range(10, 800, 40):
        cv2.line(ink, (at, 0), (at + 200, 849), 255, 1)
        ink[at] = 255
    small = shrink(ink, 640, 0.25)
    rows = (np.arange(10, 800, 40) + 0.5) / 850 * 640
    assert all(small[int(row) - 1 : int(row) + 2].any(axis=0).all() for row in rows)
