"""A small prepared run: images of horizontal or vertical bars, which any model can classify."""

import multiprocessing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.train.prepare import prepare_run

SIZE = 128


def draw_bars(count: int, seed: int = 0) -> tuple[list[np.ndarray], list[int]]:
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for number in range(count):
        image = np.zeros((SIZE, SIZE), np.uint8)
        place = int(rng.integers(30, 90))
        if number % 2:
            image[place : place + 6, 10:118] = 1
        else:
            image[10:118, place : place + 6] = 1
        images.append(image)
        labels.append(number % 2)
    return images, labels


@pytest.fixture(scope="session")
def processes():
    """Starts processes quickly, with the trainer imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ecgpipe.cli.main", "ecgpipe.train.engine"])
    return context


def prepare_bars(
    folder: Path,
    variant: str = "test_resnet",
    name: str = "run",
    seed: int = 1,
    task: str = "single",
    options=None,
    **recipe,
) -> Path:
    """Prepare the run ``name`` in a folder: 41 training, 10 validation and 9 test images."""
    images, labels = draw_bars(60)
    ids = [f"{i:05d}" for i in range(60)]
    files = {folder / "a.npy": ids[:35], folder / "b.npy": ids[35:]}
    for file, members in files.items():
        write_images([pack(images[int(i)]) for i in members], SIZE, file)
    prepare_run(
        folder / name,
        dataset="bars",
        protocol="paper",
        variant=variant,
        seed=seed,
        classes=("vertical", "horizontal"),
        task=task,
        record_ids=ids,
        roles=["train"] * 41 + ["validation"] * 10 + ["test"] * 9,
        targets=np.eye(2, dtype=np.uint8)[labels],
        images=files,
        model=ModelConfig(image_size=64, options=options or {}),
        train=TrainConfig(**{"epochs": 3, "warmup_epochs": 1, "learning_rate": 2e-3, "batch_size": 8} | recipe),
    )
    return folder / name


@pytest.fixture
def make_run(tmp_path):
    return partial(prepare_bars, tmp_path)
