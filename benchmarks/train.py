"""The speed of training steps by the source of the batches; results and method: docs/performance.md.

ecgpipe bench train [--model NAME] [--image-size PIXELS] [--batch-size N] [--steps N] [--json]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.render import read_benchmark_signal
from benchmarks.timing import Ratio, Report, interleaved, machine_info
from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.imaging.shard import image_of_page
from ecgpipe.models.factory import build_model
from ecgpipe.models.inputs import to_input
from ecgpipe.render.page import render_page
from ecgpipe.train.augment import augment
from ecgpipe.train.data import Batch, EpochBatchSampler, PackedImages, make_loader
from ecgpipe.train.prepare import prepare_run
from ecgpipe.train.recipe import FocalLoss

TARGET = 0.97  # speed relative to batches that are ready on the device
WORKERS = 2
STORED_SIZE = 640
PACKED, READY, PNG = "packed images, augmented", "one batch, ready on the device", f"PNG files, {WORKERS} workers"


def run(args: argparse.Namespace) -> Report:
    """Time training steps with batches of packed images, of PNG files, and with one batch that is ready."""
    started = time.perf_counter()
    image = benchmark_image(args.record)
    size, batch_size, steps = args.image_size, args.batch_size, args.steps
    with tempfile.TemporaryDirectory() as name:
        sources = BatchSources(Path(name), image, 2 * steps * batch_size, args.model, size, batch_size)
        device = sources.device
        network = build_model(sources.run).to(device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
        loss = FocalLoss("single", 2.0, torch.ones(4)).to(device)
        targets = torch.eye(4, device=device)[torch.arange(batch_size, device=device) % 4]

        def trainer(source: Iterator[torch.Tensor]) -> Callable[[], None]:
            def train() -> None:
                for images in islice(source, steps):
                    optimizer.zero_grad()
                    loss(network(images), targets[: len(images)]).backward()
                    optimizer.step()
                if device.type == "cuda":
                    torch.cuda.synchronize()

            return train

        candidates = {
            READY: trainer(sources.ready()), PACKED: trainer(sources.packed()), PNG: trainer(sources.png())
        }  # fmt: skip
        timings = interleaved(candidates, args.repetitions)
        notes = [f"ms of {steps} steps of {args.model}, batches of {batch_size} at {size} pixels, on {device}"]
        if device.type == "cpu":  # CPU time is more reliable on a busy machine, but excludes the workers
            cpu = interleaved({key: candidates[key] for key in (READY, PACKED)}, args.repetitions, time.process_time)
            notes.append(f"CPU time: {cpu[READY].minimum / cpu[PACKED].minimum:.3f} times the speed of {READY}")
    ratios = [
        Ratio(PACKED, READY, timings[READY].minimum / timings[PACKED].minimum, TARGET),
        Ratio(PNG, READY, timings[READY].minimum / timings[PNG].minimum, None),
    ]
    notes += [f"{key}: {1e3 * steps * batch_size / t.minimum:.1f} images/s" for key, t in timings.items()]
    notes.append(f"load of the machine {os.getloadavg()[0]:.1f}, {time.perf_counter() - started:.0f} s in total")
    return Report("Training steps by the source of their batches", timings, ratios, notes, machine_info())


class PngFiles(Dataset):
    """One file per image, decoded by workers."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> torch.Tensor:
        image = cv2.imread(str(self.files[number]), cv2.IMREAD_GRAYSCALE)
        return torch.from_numpy(image).unsqueeze(0).float() / 255


class BatchSources:
    """Endless batches from three sources."""

    def __init__(self, folder: Path, image: np.ndarray, count: int, model: str, size: int, batch_size: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.size = size
        run_folder = write_run(folder, image, count, model, size, batch_size)
        self.run, index = RunConfig.read(run_folder), RunIndex.read(run_folder)
        train = index.indices("train")
        packed = PackedImages(run_folder, self.run, index, self.run.train)
        self.packed_loader = make_loader(packed, EpochBatchSampler(train, batch_size, 0))
        files = []
        for number in train:
            files.append(folder / f"{number}.png")
            cv2.imwrite(str(files[-1]), np.unpackbits(packed.packed(np.array([number]))[0], axis=-1) * 255)
        self.png_loader = DataLoader(
            PngFiles(files), batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True, drop_last=True
        )
        self.ready_batch = self._input(next(iter(self.packed_loader)))

    def _input(self, batch: Batch) -> torch.Tensor:
        images = to_input(batch.packed.to(self.device, non_blocking=True), self.size, 1)
        return augment(images, batch.augmentation)

    def packed(self) -> Iterator[torch.Tensor]:
        """The batches of a run."""
        while True:
            yield from map(self._input, self.packed_loader)

    def png(self) -> Iterator[torch.Tensor]:
        """Batches of PNG files, scaled to the same size."""
        while True:
            for images in self.png_loader:
                images = images.to(self.device, non_blocking=True)
                if images.shape[-1] != self.size:
                    images = torch.nn.functional.interpolate(images, size=(self.size, self.size), mode="area")
                yield images

    def ready(self) -> Iterator[torch.Tensor]:
        """The same batch again and again."""
        while True:
            yield self.ready_batch


def write_run(folder: Path, image: np.ndarray, count: int, model: str, image_size: int, batch_size: int) -> Path:
    """Prepare a run with ``count`` training records, whose images are shifted copies, and four validation records."""
    ids = [f"{number:06d}" for number in range(count + 4)]
    shifted = [pack(np.roll(image, number, axis=number % 2)) for number in range(len(ids))]
    write_images(shifted, STORED_SIZE, folder / "images.npy")
    prepare_run(
        folder / "run",
        dataset="bench",
        protocol="paper",
        variant=model,
        seed=0,
        classes=tuple("abcd"),
        task="single",
        record_ids=ids,
        roles=["train"] * count + ["validation"] * 4,
        targets=np.eye(4, dtype=np.uint8)[np.arange(len(ids)) % 4],
        images={folder / "images.npy": ids},
        model=ModelConfig(image_size=image_size),
        train=TrainConfig(batch_size=batch_size),
    )
    return folder / "run"


def benchmark_image(record: Path | None) -> np.ndarray:
    """(640, 640) uint8 of 0 and 1: the image of a record's page."""
    signal, rate = read_benchmark_signal(record)
    page = render_page(signal, rate, RenderConfig())
    return image_of_page(page, PreprocessConfig(size=STORED_SIZE)).image
