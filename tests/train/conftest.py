"""A small prepared run: images of horizontal or vertical bars, which any model can classify."""

import multiprocessing
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
    context.set_forkserver_preload(["ecgpipe.train.engine"])
    return context


@pytest.fixture
def make_run(tmp_path):
    def make(
        variant: str = "test_resnet", name: str = "run", seed: int = 1, task: str = "single", options=None, **recipe
    ) -> Path:
        images, labels = draw_bars(60)
        ids = [f"{i:05d}" for i in range(60)]
        files = {tmp_path / "a.npy": ids[:35], tmp_path / "b.npy": ids[35:]}
        for file, members in files.items():
            write_images([pack(images[int(i)]) for i in members], SIZE, file)
        prepare_run(
            tmp_path / name,
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
        return tmp_path / name

    return make
