"""Batches: content, order, division into parts, and augmentation."""

from collections import Counter

import numpy as np
import pytest

from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models.inputs import to_input, unpack_bits
from ecgpipe.train.data import EpochBatchSampler, PackedImages, Sample, make_loader, sampling_weights
from tests.train.conftest import draw_bars


@pytest.fixture
def images(make_run):
    folder = make_run()
    return PackedImages(folder, RunConfig.read(folder), RunIndex.read(folder), TrainConfig())


def test_each_record_has_its_own_image_across_files(images):
    drawn, labels = draw_bars(60)
    batch = images.__getitems__([Sample(0, item) for item in range(60)])
    assert (unpack_bits(batch.packed).squeeze(1).numpy() == np.stack(drawn)).all()
    assert batch.targets.argmax(dim=1).tolist() == labels


def test_an_epoch_visits_every_record_once_and_each_epoch_differs():
    sampler = EpochBatchSampler(np.arange(40), 8, seed=3)
    first = [item for batch in sampler for _, item, _ in batch]
    sampler.set_epoch(1)
    second = [item for batch in sampler for _, item, _ in batch]
    assert Counter(first) == Counter(second) == Counter(range(40))
    assert first != second
    assert [item for batch in EpochBatchSampler(np.arange(40), 8, seed=3) for _, item, _ in batch] == first


def test_a_single_last_image_is_dropped_in_training_only():
    training = EpochBatchSampler(np.arange(41), 8, seed=3)
    assert len(list(training)) == len(training) == 5
    reporting = EpochBatchSampler(np.arange(41), 8, seed=None)
    assert len(list(reporting)) == len(reporting) == 6
    assert len(list(EpochBatchSampler(np.arange(1), 8, seed=3))) == 1


def test_augmentation_depends_on_seed_epoch_and_position_only(images):
    def shifts(*samples):
        return images.__getitems__(list(samples)).augmentation.shift

    alone = shifts(Sample(2, 7))[0]
    assert np.array_equal(alone, shifts(Sample(2, 5), Sample(2, 7), Sample(2, 9))[1])
    assert not np.array_equal(alone, shifts(Sample(3, 7))[0])


def test_balanced_sampling_yields_all_classes_equally_often():
    targets = np.eye(3, dtype=np.uint8)[[0] * 80 + [1] * 15 + [2] * 5]
    weights = sampling_weights(targets)
    assert weights[[0, 80, 95]] == pytest.approx([100 / 80, 100 / 15, 20])
    sampler = EpochBatchSampler(np.arange(100), 10, seed=1, weights=weights)
    positions = []
    for epoch in range(200):
        sampler.set_epoch(epoch)
        positions += [sample.position for batch in sampler for sample in batch]
    assert targets[positions].mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)
    several = sampling_weights(np.array([[1, 1], [1, 0], [1, 0], [0, 0]], np.uint8))
    assert several == pytest.approx([4, 4 / 3, 4 / 3, 4 / 3])


def test_parts_cover_a_batch_once_and_their_weights_give_its_mean():
    shares = [list(EpochBatchSampler(np.arange(41), 8, 5, parts=2, rank=rank, world=2)) for rank in range(2)]
    for step, batch in enumerate(EpochBatchSampler(np.arange(41), 8, 5)):
        parts = [shares[rank][2 * step + part] for rank in range(2) for part in range(2)]
        assert sorted(sample.position for part in parts for sample in part) == sorted(s.position for s in batch)
    last = list(EpochBatchSampler(np.arange(21), 8, 5, parts=2))[-2:]
    assert [len(part) for part in last] == [3, 2]
    losses = np.arange(5.0)
    means = losses[:3].mean() * last[0][0].weight, losses[3:].mean() * last[1][0].weight
    assert np.mean(means) == pytest.approx(losses.mean())


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match=r"train\.batch_size 9 cannot be divided among 2 processes with 1 parts each"):
        EpochBatchSampler(np.arange(40), 9, 1, rank=0, world=2)
    with pytest.raises(ConfigError, match="3 records are too few for 2 processes with 2 parts each"):
        EpochBatchSampler(np.arange(3), 8, 1, parts=2, world=2)


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


def test_short_epochs_go_through_all_images_before_any_comes_again():
    def of_epoch(epoch, images):
        sampler = EpochBatchSampler(np.arange(40), 8, seed=3, images=images)
        sampler.set_epoch(epoch)
        return [sample.position for batch in sampler for sample in batch]

    stream = [position for epoch in range(5) for position in of_epoch(epoch, 16)]
    assert Counter(stream[:40]) == Counter(stream[40:]) == Counter(range(40))
    assert stream[:40] == of_epoch(0, None) and stream[40:] == of_epoch(1, None)
    assert len(of_epoch(0, 100)) == 100
