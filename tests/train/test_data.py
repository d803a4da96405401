"""Batches: what is in them, their order, and the augmentation."""

from collections import Counter

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError
from ecgpipe.models.inputs import to_input, translate, unpack_bits
from ecgpipe.train.data import EpochBatchSampler, Key, PackedImages, make_loader
from tests.train.conftest import draw_bars


@pytest.fixture
def images(make_run):
    folder = make_run()
    return PackedImages(folder, RunConfig.read(folder), RunIndex.read(folder), TrainConfig())


def test_every_record_has_its_own_image_across_files(images):
    drawn, labels = draw_bars(60)
    batch = images.__getitems__([Key(0, item) for item in range(60)])
    assert (unpack_bits(batch.packed).squeeze(1).numpy() == np.stack(drawn)).all()
    assert batch.targets.argmax(dim=1).tolist() == labels


def test_an_epoch_visits_every_record_once_and_each_epoch_differs(images):
    sampler = EpochBatchSampler(np.arange(40), 8, seed=3)
    first = [item for batch in sampler for _, item, _ in batch]
    sampler.set_epoch(1)
    second = [item for batch in sampler for _, item, _ in batch]
    assert Counter(first) == Counter(second) == Counter(range(40))
    assert first != second
    assert [item for batch in EpochBatchSampler(np.arange(40), 8, seed=3) for _, item, _ in batch] == first


def test_a_single_last_image_is_left_out_of_training_only():
    training = EpochBatchSampler(np.arange(41), 8, seed=3)
    assert len(list(training)) == len(training) == 5
    reporting = EpochBatchSampler(np.arange(41), 8, seed=None)
    assert len(list(reporting)) == len(reporting) == 6
    assert len(list(EpochBatchSampler(np.arange(1), 8, seed=3))) == 1


def test_draws_depend_on_seed_epoch_and_item_alone(images):
    alone = images.__getitems__([Key(2, 7)]).augmentation.shifts[0]
    among = images.__getitems__([Key(2, 5), Key(2, 7), Key(2, 9)]).augmentation.shifts[1]
    assert np.array_equal(alone, among)
    assert not np.array_equal(alone, images.__getitems__([Key(3, 7)]).augmentation.shifts[0])
    many = np.stack([images.__getitems__([Key(epoch, 7)]).augmentation.shifts[0] for epoch in range(300)])
    assert np.abs(many).max() <= 0.1
    assert np.abs(many).max() > 0.095
    assert np.abs(many.mean(axis=0)).max() < 0.02


def test_translation_fills_with_background():
    image = torch.arange(1.0, 17).reshape(1, 1, 4, 4).repeat(2, 1, 1, 1)
    moved = translate(image, torch.tensor([[0.25, 0.0], [0.0, -0.5]]))
    assert moved[0, 0].tolist() == [[0] * 4, [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert moved[1, 0].tolist() == [[3, 4, 0, 0], [7, 8, 0, 0], [11, 12, 0, 0], [15, 16, 0, 0]]


def test_input_is_the_mean_of_the_stored_pixels():
    drawn = np.stack(draw_bars(3)[0])
    small = to_input(np.packbits(drawn, axis=-1), 32, 3)
    expected = drawn.reshape(3, 32, 4, 32, 4).mean(axis=(2, 4))
    assert small.shape == (3, 3, 32, 32)
    assert small[:, 2].numpy() == pytest.approx(expected)
    assert (to_input(np.packbits(drawn, axis=-1), 128, 1)[:, 0].numpy() == drawn).all()


def test_a_shortened_image_file_is_found_before_training(make_run):
    folder = make_run()
    file = folder.parent / "b.npy"
    np.save(file, np.load(file)[:-1])
    with pytest.raises(DataError, match=r"b\.npy"):
        make_loader(
            PackedImages(folder, RunConfig.read(folder), RunIndex.read(folder)),
            EpochBatchSampler(np.arange(3), 2, None),
        )
