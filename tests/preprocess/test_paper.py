"""Equations 1 to 4 against independent computations."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.preprocess.apply import canny, close_open, crop_edges, otsu, paper_image


@pytest.fixture
def grey() -> np.ndarray:
    """A smooth random picture with a dark line, uint8."""
    rng = np.random.default_rng(1)
    picture = ndimage.gaussian_filter(rng.normal(size=(120, 160)), 4)
    picture = 128 + 400 * picture
    picture[50:53] = 10
    return np.clip(picture, 0, 255).astype(np.uint8)


def gradient(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and direction of equations 1 and 2."""
    gx = ndimage.sobel(grey.astype(float), axis=1, mode="nearest")
    gy = ndimage.sobel(grey.astype(float), axis=0, mode="nearest")
    return np.sqrt(gx**2 + gy**2), np.arctan2(gy, gx)


def test_edges_are_local_maxima_above_the_lower_threshold(grey):
    magnitude, direction = gradient(grey)
    edges = canny(grey, 50, 150)[1:-1, 1:-1] > 0
    assert edges.any()
    assert magnitude[1:-1, 1:-1][edges].min() > 50
    for y, x in np.argwhere(edges) + 1:
        sector = round(direction[y, x] / (np.pi / 4)) % 4
        dy, dx = ((0, 1), (1, 1), (1, 0), (1, -1))[sector]
        beside = min(magnitude[y + dy, x + dx], magnitude[y - dy, x - dx])
        assert magnitude[y, x] >= beside - 1e-9


def test_every_edge_reaches_a_strong_pixel_and_every_strong_maximum_is_an_edge(grey):
    magnitude, _ = gradient(grey)
    edges = canny(grey, 50, 150) > 0
    labels, count = ndimage.label(edges, np.ones((3, 3)))
    assert count > 0
    assert (ndimage.maximum(magnitude, labels, range(1, count + 1)) > 150).all()
    assert (canny(grey, 150, 150) > 0).sum() < edges.sum()
    assert not ((canny(grey, 150, 150) > 0) & ~edges).any()


def test_a_step_gives_one_thin_line():
    step = np.zeros((40, 40), np.uint8)
    step[:, 20:] = 200
    edges = canny(step, 50, 150) > 0
    assert (edges[2:-2].sum(axis=1) == 1).all()
    assert set(np.nonzero(edges[2:-2])[1]) <= {19, 20}


def test_closing_then_opening_is_equation_3():
    edges = (np.random.default_rng(2).random((90, 110)) < 0.3).astype(np.uint8)
    square = np.ones((3, 3), bool)
    padded = np.pad(edges.astype(bool), 4)
    expected = ndimage.binary_opening(ndimage.binary_closing(padded, square), square)[4:-4, 4:-4]
    result = close_open(edges * 255, 3) > 0
    inner = np.s_[4:-4, 4:-4]
    assert np.array_equal(result[inner], expected[inner])
    assert result.any()
    assert not np.array_equal(result, edges > 0)


def test_otsu_is_the_exhaustive_maximum_of_equation_4(grey):
    best, threshold = -1.0, None
    for t in range(256):
        low, high = grey[grey <= t], grey[grey > t]
        if low.size and high.size:
            between = low.size * high.size / grey.size**2 * (low.mean() - high.mean()) ** 2
            if between > best * (1 + 1e-12):
                best, threshold = between, t
    assert np.array_equal(otsu(grey), (grey > threshold).astype(np.uint8))


def test_otsu_leaves_a_binary_image_as_it_is():
    binary = (np.random.default_rng(3).random((50, 60)) < 0.2).astype(np.uint8)
    assert np.array_equal(otsu(binary * 255), binary)


def test_crop_takes_shares_off_each_edge():
    grey = np.arange(200 * 100).reshape(200, 100).astype(np.int32)
    cut = crop_edges(grey, (0.1, 0.2, 0.05, 0.03))
    assert cut.shape == (200 - 20 - 10, 100 - 20 - 3)
    assert cut[0, 0] == grey[20, 3]


def test_the_whole_chain_is_the_composition(grey):
    config = PreprocessConfig(variant="paper", size=64, crop=(0.05, 0.05, 0.05, 0.05))
    binary = otsu(close_open(canny(crop_edges(grey, config.crop), 50, 150), 3))
    shares = cv2.resize(binary.astype(np.float64), (64, 64), interpolation=cv2.INTER_AREA)
    result = paper_image(grey, config)
    clear = np.abs(shares - 0.5) > 0.01
    assert np.array_equal(result[clear], (shares > 0.5).astype(np.uint8)[clear])
    assert result.any()
    assert np.array_equal(result, paper_image(np.repeat(grey[:, :, None], 3, axis=2), config))


def test_thresholds_come_from_the_configuration(grey: np.ndarray) -> None:
    low, high = (
        paper_image(grey, PreprocessConfig(variant="paper", size=64, canny=thresholds)).sum()
        for thresholds in ((20, 60), (900, 1000))
    )
    assert low > 2 * high
