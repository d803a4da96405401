"""Training the reader: the loss, the schedule, resumption, and the file of weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.errors import DataError
from ecgpipe.reader.examples import make_example
from ecgpipe.reader.network import GEOMETRY_MAPS, LEAD_NAMES, PIXEL_MAPS, ReaderNet
from ecgpipe.reader.read import load_reader, read_page
from ecgpipe.reader.training import learning_rate, reader_losses, train_reader

TINY = ReaderConfig(steps=4, batch_size=2, size=64, warmup_steps=2, save_every=2, name_steps=4, name_batch_size=2)


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reader") / "signals.npy"
    np.save(path, np.random.default_rng(0).normal(0, 200, (3, 12, 5000)).astype(np.int16))
    return path


@pytest.fixture(scope="module")
def trained(signals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_reader(signals, tmp_path_factory.mktemp("trained"), TINY)


def test_the_network_returns_maps_of_the_documented_shapes() -> None:
    pixels, coarse = ReaderNet().eval()(torch.zeros(2, 3, 96, 64))
    assert pixels.shape == (2, len(PIXEL_MAPS), 96, 64)
    assert coarse.shape == (2, len(LEAD_NAMES) + len(GEOMETRY_MAPS), 12, 8)


def test_the_weights_fit_into_the_package(trained: Path) -> None:
    assert trained.stat().st_size < 8e6
    assert {tensor.dtype for name, tensor in load_file(trained).items() if "running" not in name} == {torch.float16}


@pytest.mark.parametrize("part", ["history.csv", "names.csv"])
def test_an_interrupted_training_ends_with_the_same_weights(
    signals: Path, trained: Path, tmp_path: Path, part: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgpipe.reader.training.add_row", _stop_after(2, part))
        with pytest.raises(KeyboardInterrupt):
            train_reader(signals, tmp_path, TINY)
    resumed = load_file(train_reader(signals, tmp_path, TINY))
    for name, tensor in load_file(trained).items():
        assert torch.equal(tensor, resumed[name]), name


def _stop_after(step: int, part: str):
    def log(path: Path, row: dict) -> None:
        if path.name == part and row["step"] > step:
            raise KeyboardInterrupt

    return log


def test_a_checkpoint_of_another_recipe_is_refused(signals: Path, tmp_path: Path) -> None:
    train_reader(signals, tmp_path, TINY.model_copy(update={"steps": 2}))
    with pytest.raises(DataError, match="another recipe"):
        train_reader(signals, tmp_path, TINY.model_copy(update={"steps": 2, "learning_rate": 1e-3}))


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = ReaderConfig(warmup_steps=100, learning_rate=1.0)
    assert learning_rate(0, recipe, 1000) == pytest.approx(0.01, abs=1e-4)
    assert learning_rate(500, recipe, 1000) == pytest.approx(0.5, abs=1e-4)
    assert learning_rate(250, recipe, 1000) == pytest.approx(0.5 + 0.5 * np.cos(np.pi / 4), abs=1e-4)
    assert learning_rate(999, recipe, 1000) < 1e-4


def test_the_loss_of_the_truth_is_near_zero_and_each_part_notices_its_own_error(signals: Path) -> None:
    example = next(e for n in range(50) if (e := make_example((2, n), np.load(signals), 500, 128)).names.max() == 1)
    batch = {name: torch.from_numpy(value)[None] for name, value in vars(example).items()}
    pixels = torch.cat([(batch["masks"][:, :4].float() - 0.5) * 60, batch["offset"][:, None]], dim=1)
    coarse = torch.cat([torch.logit(batch["names"].clamp(1e-4, 1 - 1e-4)), batch["geometry"]], dim=1)
    best = {name: value.item() for name, value in reader_losses(pixels, coarse, batch).items()}
    assert best["mask"] < 1e-3 and best["dice"] < 1e-3 and best["offset"] == 0 and best["geometry"] == 0
    worse = {
        "mask": (-pixels, coarse), "dice": (-pixels, coarse), "offset": (pixels + 1, coarse),
        "names": (pixels, -coarse), "geometry": (pixels, coarse + 1),
    }  # fmt: skip
    for name, (wrong_pixels, wrong_coarse) in worse.items():
        assert reader_losses(wrong_pixels, wrong_coarse, batch)[name].item() > best[name] + 0.05, name


def test_pictures_of_any_size_are_read(trained: Path) -> None:
    net = load_reader(trained)
    for shape in ((40, 70, 3), (333, 517, 3), (700, 1800, 3)):
        reading = read_page(np.full(shape, 255, np.uint8), net)
        assert reading.trace.shape == shape[:2] and reading.mask.dtype == np.uint8


def test_other_files_are_not_taken_for_weights(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="not the weights"):
        load_reader(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="not the weights"):
        load_reader(tmp_path / "missing.safetensors")
