"""Runs, parts and openings against SciPy's and OpenCV's own."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from ecgpipe.preprocess.components import connected_parts, erase, opened, vertical_runs
from ecgpipe.preprocess.ink import drop_specks
from ecgpipe.preprocess.scale import shrink


@pytest.fixture(params=[0.0, 0.03, 0.4, 0.9, 1.0])
def ink(request) -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((83, 61)), (2, 0.7))
    chosen = smooth <= np.quantile(smooth, request.param) if request.param else np.zeros(smooth.shape, bool)
    return chosen.astype(np.uint8) * rng.integers(1, 256, smooth.shape, dtype=np.uint8)


def test_runs_are_the_columns_ink(ink):
    runs = vertical_runs(ink)
    drawn = np.zeros_like(ink)
    for column, top, bottom in zip(*runs, strict=True):
        assert not drawn[max(0, top - 1) : bottom + 1, column].any()  # runs of a column do not touch
        drawn[top:bottom, column] = 1
    assert np.array_equal(drawn, ink > 0)
    erase(ink, runs.of(runs.columns >= 30))
    assert np.array_equal(ink > 0, drawn.astype(bool) & (np.arange(61) < 30))


def test_parts_are_those_of_eight_neighbours(ink):
    runs = vertical_runs(ink)
    count, part_of = connected_parts(runs)
    labels, expected = ndimage.label(ink, np.ones((3, 3)))
    assert count == expected
    pairs = set(zip(part_of.tolist(), labels[runs.tops, runs.columns].tolist(), strict=True))
    assert len(pairs) == count


@pytest.mark.parametrize("size", [(1, 1), (7, 1), (15, 1), (40, 1), (5, 3), (9, 5), (200, 1)])
def test_opening(ink, size):
    binary = (ink > 0).astype(np.uint8)
    assert np.array_equal(opened(binary, *size), ndimage.binary_opening(binary, np.ones(size, bool)))


def test_specks(ink):
    dots = (ink > 0).astype(np.uint8) * np.uint8(255)
    around = ndimage.convolve((dots > 0).astype(int), np.ones((3, 3), int), mode="constant")
    expected = np.where(around >= 3, dots, 0)
    drop_specks(dots)
    assert np.array_equal(dots, expected)


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
