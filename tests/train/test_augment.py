"""Augmentation against SciPy and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ecgpipe.config.training import TrainConfig
from ecgpipe.train.augment import AugmentParams, augment, erase, mix, sample_augment_params, turn


def smooth_images(count=2, size=64):
    rng = np.random.default_rng(0)
    images = ndimage.gaussian_filter(rng.random((count, size, size)), (0, 3, 3))
    window = np.hanning(size)
    return (images - images.min()) * window * window[:, None]  # dark edges, so that what comes in does not matter


def still(count, **changes):
    nothing = {
        "shifts": np.zeros((count, 2)),
        "angles": np.zeros(count),
        "zooms": np.ones(count),
        "holes": np.zeros((count, 4)),
        "thick": np.zeros(count, bool),
        "noise": np.zeros(count),
        "mix": np.ones(count),
    }
    return AugmentParams(**nothing | changes)


def test_turning_is_scipys():
    images = smooth_images()
    found = turn(torch.tensor(images)[:, None], np.array([20.0, -7.0]), np.ones(2))[:, 0].numpy()
    for image, turned, angle in zip(images, found, (20.0, -7.0), strict=True):
        expected = ndimage.rotate(image, angle, reshape=False, order=1)
        assert np.abs(turned - expected).max() < 0.02 * image.max()
        assert np.abs(turned - image).max() > 0.2 * image.max()


def test_zooming_is_scipys():
    image = smooth_images(1)[0]
    found = turn(torch.tensor(image)[None, None], np.zeros(1), np.array([1.25]))[0, 0].numpy()
    middle = (len(image) - 1) / 2
    expected = ndimage.affine_transform(image, np.eye(2) / 1.25, offset=middle - middle / 1.25, order=1)
    assert np.abs(found - expected).max() < 1e-6


def test_thickening_is_a_dilation_of_the_chosen():
    images = (np.random.default_rng(1).random((2, 32, 32)) < 0.05).astype(np.float32)
    found = augment(torch.tensor(images)[:, None], still(2, thick=np.array([True, False])))[:, 0].numpy()
    assert np.array_equal(found[0], ndimage.grey_dilation(images[0], (3, 3)))
    assert np.array_equal(found[1], images[1])


def test_erasing_blanks_the_rectangle_alone():
    holes = np.array([[0.25, 0.5, 0.5, 0.25]])
    found = erase(torch.ones(1, 1, 8, 8), holes)[0, 0].numpy()
    expected = np.ones((8, 8))
    expected[2:6, 4:6] = 0
    assert np.array_equal(found, expected)


def test_noise_inverts_a_share_of_the_pixels():
    torch.manual_seed(0)
    images = torch.zeros(2, 1, 200, 200)
    found = augment(images, still(2, noise=np.array([0.05, 0.0])))
    assert found[0].mean().item() == pytest.approx(0.05, abs=0.004)
    assert found[1].sum() == 0


def test_mixing_takes_the_next_row():
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])
    found = mix(values, np.array([0.75, 0.5, 1.0]))
    assert found.tolist() == [[0.75, 0.25], [2.0, 2.5], [4.0, 4.0]]


def test_draws_keep_their_bounds_and_fill_them():
    recipe = TrainConfig(rotate=3, scale=0.1, erase=0.2, dilate=0.3, noise=0.02, mixup=0.4)
    augmentation = sample_augment_params(recipe, 1, 2, 4000)
    assert 2.9 < np.abs(augmentation.angles).max() <= 3
    assert 0.9 <= augmentation.zooms.min() < 0.91
    assert 1.09 < augmentation.zooms.max() <= 1.1
    areas = augmentation.holes[:, 2] * augmentation.holes[:, 3]
    assert 0.19 < areas.max() <= 0.2 + 1e-9
    assert (augmentation.holes[:, :2] + augmentation.holes[:, 2:]).max() <= 1 + 1e-9
    assert augmentation.thick.mean() == pytest.approx(0.3, abs=0.03)
    assert 0.019 < augmentation.noise.max() <= 0.02
    assert augmentation.mix.mean() == pytest.approx(0.5, abs=0.02)
    assert augmentation.mix.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.1)  # of the beta distribution


def test_nothing_happens_by_default_but_shifts_and_a_key_does_not_change_the_others():
    plain, rich = (
        sample_augment_params(TrainConfig(), 1, 0, 50),
        sample_augment_params(TrainConfig(rotate=5, erase=0.2, mixup=1), 1, 0, 50),
    )
    assert np.array_equal(plain.shifts, rich.shifts)
    images = torch.rand(50, 1, 32, 32)
    assert torch.equal(augment(images, plain._replace(shifts=np.zeros((50, 2)))), images)
    assert not np.array_equal(sample_augment_params(TrainConfig(), 1, 1, 50).shifts, plain.shifts)
