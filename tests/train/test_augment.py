"""Augmentation, against SciPy and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ecgpipe.config.training import TrainConfig
from ecgpipe.train.augment import (
    AugmentParams,
    augment,
    erase,
    mixup,
    rotate_and_scale,
    sample_augment_params,
    translate,
)


def smooth_images(count=2, size=64):
    rng = np.random.default_rng(0)
    images = ndimage.gaussian_filter(rng.random((count, size, size)), (0, 3, 3))
    window = np.hanning(size)
    return (images - images.min()) * window * window[:, None]  # dark edges, so that what comes in does not matter


def no_augmentation(count, **changes):
    nothing = {
        "shift": np.zeros((count, 2)),
        "angle": np.zeros(count),
        "scale": np.ones(count),
        "hole": np.zeros((count, 4)),
        "dilate": np.zeros(count, bool),
        "noise": np.zeros(count),
        "mix": np.ones(count),
    }
    return AugmentParams(**nothing | changes)


def test_rotation_is_that_of_scipy():
    images = smooth_images()
    found = rotate_and_scale(torch.tensor(images)[:, None], np.array([20.0, -7.0]), np.ones(2))[:, 0].numpy()
    for image, rotated, angle in zip(images, found, (20.0, -7.0), strict=True):
        expected = ndimage.rotate(image, angle, reshape=False, order=1)
        assert np.abs(rotated - expected).max() < 0.02 * image.max()
        assert np.abs(rotated - image).max() > 0.2 * image.max()


def test_scaling_is_that_of_scipy():
    image = smooth_images(1)[0]
    found = rotate_and_scale(torch.tensor(image)[None, None], np.zeros(1), np.array([1.25]))[0, 0].numpy()
    middle = (len(image) - 1) / 2
    expected = ndimage.affine_transform(image, np.eye(2) / 1.25, offset=middle - middle / 1.25, order=1)
    assert np.abs(found - expected).max() < 1e-6


def test_translation_fills_with_background():
    image = torch.arange(1.0, 17).reshape(1, 1, 4, 4).repeat(2, 1, 1, 1)
    moved = translate(image, np.array([[0.25, 0.0], [0.0, -0.5]]))
    assert moved[0, 0].tolist() == [[0] * 4, [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert moved[1, 0].tolist() == [[3, 4, 0, 0], [7, 8, 0, 0], [11, 12, 0, 0], [15, 16, 0, 0]]


def test_dilation_is_that_of_scipy_for_the_chosen_images():
    images = (np.random.default_rng(1).random((2, 32, 32)) < 0.05).astype(np.float32)
    params = no_augmentation(2, dilate=np.array([True, False]))
    found = augment(torch.tensor(images)[:, None], params)[:, 0].numpy()
    assert np.array_equal(found[0], ndimage.grey_dilation(images[0], (3, 3)))
    assert np.array_equal(found[1], images[1])


def test_erasing_fills_the_rectangle():
    found = erase(torch.ones(1, 1, 8, 8), np.array([[0.25, 0.5, 0.5, 0.25]]))[0, 0].numpy()
    expected = np.ones((8, 8))
    expected[2:6, 4:6] = 0
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("largest", [0.2, 0.5])
def test_erased_rectangles_lie_inside_the_image(largest):
    params = sample_augment_params(TrainConfig(erase=largest, translate=0), 1, 0, 3000)
    sides = params.hole[:, 2:]
    assert params.hole[:, :2].min() >= -1e-9
    assert (params.hole[:, :2] + sides).max() <= 1 + 1e-9
    assert 1 / 3 - 1e-9 <= (sides[:, 0] / sides[:, 1]).min() < 0.4
    area = sides.prod(axis=1)
    assert 0.98 * largest < area.max() <= largest
    erased = 1 - augment(torch.ones(3000, 1, 64, 64), params).mean(dim=(1, 2, 3)).numpy()
    assert erased == pytest.approx(area, abs=2.1 / 64)


def test_noise_inverts_a_share_of_the_pixels():
    torch.manual_seed(0)
    images = torch.zeros(2, 1, 200, 200)
    found = augment(images, no_augmentation(2, noise=np.array([0.05, 0.0])))
    assert found[0].mean().item() == pytest.approx(0.05, abs=0.004)
    assert found[1].sum() == 0


def test_mixup_takes_the_next_row():
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])
    found = mixup(values, np.array([0.75, 0.5, 1.0]))
    assert found.tolist() == [[0.75, 0.25], [2.0, 2.5], [4.0, 4.0]]


def test_parameters_keep_their_bounds_and_reach_them():
    recipe = TrainConfig(rotate=3, scale=0.1, dilate=0.3, noise=0.02, mixup=0.4)
    params = sample_augment_params(recipe, 1, 2, 4000)
    assert 0.095 < np.abs(params.shift).max() <= 0.1
    assert np.abs(params.shift.mean(axis=0)).max() < 0.005
    assert 2.9 < np.abs(params.angle).max() <= 3
    assert 0.9 <= params.scale.min() < 0.91
    assert 1.09 < params.scale.max() <= 1.1
    assert params.dilate.mean() == pytest.approx(0.3, abs=0.03)
    assert 0.019 < params.noise.max() <= 0.02
    assert params.mix.mean() == pytest.approx(0.5, abs=0.02)
    assert params.mix.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.1)  # of the beta distribution


def test_only_shifts_by_default_and_one_key_does_not_change_the_others():
    plain = sample_augment_params(TrainConfig(), 1, 0, 50)
    rich = sample_augment_params(TrainConfig(rotate=5, erase=0.2, mixup=1), 1, 0, 50)
    assert np.array_equal(plain.shift, rich.shift)
    images = torch.rand(50, 1, 32, 32)
    assert torch.equal(augment(images, plain._replace(shift=np.zeros((50, 2)))), images)
    assert not np.array_equal(sample_augment_params(TrainConfig(), 1, 1, 50).shift, plain.shift)
