"""Whether training is fed: with real data, with one batch that is ready, and with PNG files."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.bench.timing import Ratio, Report, interleaved, machine
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.models.factory import build_model
from ecgpipe.models.inputs import to_input
from ecgpipe.preprocess.apply import preprocess_palette
from ecgpipe.render.page import render_page
from ecgpipe.train.augment import augment
from ecgpipe.train.data import Batch, EpochBatchSampler, PackedImages, make_loader
from ecgpipe.train.prepare import prepare_run
from ecgpipe.train.recipe import FocalLoss

FED = 0.97
WORKERS = 2
SIZE = 640
REAL, CACHED, PNG = "packed, with augmentation", "one batch, ready on the device", f"PNG files, {WORKERS} workers"
# what reading all batches of a training adds to a process's own memory; pages of mapped files are the system's
READER = """
import sys
from pathlib import Path
from ecgpipe.artifacts.runs import Items, RunConfig
from ecgpipe.train.data import EpochBatches, PackedImages, batches
folder = Path(sys.argv[1])
run, items = RunConfig.read(folder), Items.read(folder)
def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
loader = batches(PackedImages(folder, run, items, run.train), EpochBatches(items.indices("train"), 16, 0))
most = max(own() for batch in loader)
print(most)
"""


class PngFiles(Dataset):
    """The usual way: a file an image, decoded by workers."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> torch.Tensor:
        image = cv2.imread(str(self.files[number]), cv2.IMREAD_GRAYSCALE)
        return torch.from_numpy(image).unsqueeze(0).float() / 255


def write_run(folder: Path, image: np.ndarray, count: int, model: str, image_size: int, batch_size: int) -> Path:
    """A prepared run of so many training records, whose images are one image, shifted; four more validate."""
    ids = [f"{number:06d}" for number in range(count + 4)]
    shifted = [pack(np.roll(image, number, axis=number % 2)) for number in range(len(ids))]
    write_images(shifted, SIZE, folder / "images.npy")
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


class Bench:
    """The three ways to batches, without end, and a training step on them."""

    def __init__(self, folder: Path, image: np.ndarray, images: int, model: str, size: int, batch_size: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.size = size
        run_folder = write_run(folder, image, images, model, size, batch_size)
        run, items = RunConfig.read(run_folder), RunIndex.read(run_folder)
        train = items.indices("train")
        self.run = run
        packed = PackedImages(run_folder, run, items, run.train)
        self.packed_loader = make_loader(packed, EpochBatchSampler(train, batch_size, 0))
        files = []
        for number in train:
            files.append(folder / f"{number}.png")
            cv2.imwrite(str(files[-1]), np.unpackbits(packed.packed(np.array([number]))[0], axis=-1) * 255)
        self.png_loader = DataLoader(
            PngFiles(files), batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True, drop_last=True
        )
        self.ready = self._input(next(iter(self.packed_loader)))

    def _input(self, batch: Batch) -> torch.Tensor:
        images = to_input(batch.packed.to(self.device, non_blocking=True), self.size, 1)
        return augment(images, batch.augmentation)

    def packed(self) -> Iterator[torch.Tensor]:
        """Ours."""
        while True:
            yield from map(self._input, self.packed_loader)

    def png(self) -> Iterator[torch.Tensor]:
        """The usual way, scaled like ours."""
        while True:
            for images in self.png_loader:
                small = images.to(self.device, non_blocking=True)
                if small.shape[-1] != self.size:
                    small = torch.nn.functional.interpolate(small, size=(self.size, self.size), mode="area")
                yield small

    def cached(self) -> Iterator[torch.Tensor]:
        """One batch, again and again."""
        while True:
            yield self.ready

    def wait(self) -> None:
        """Until the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def bench_data(image: np.ndarray, repetitions: int, *, size: int, batch_size: int, steps: int, records: int) -> Report:
    """The way to a model's input alone, and the memory that it takes."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), image, 2 * steps * batch_size, "resnet10t", size, batch_size)
        sources = {REAL: bench.packed(), PNG: bench.png()}

        def reader(source: Iterator[torch.Tensor]) -> Callable[[], None]:
            def read() -> None:
                for images in islice(source, steps):
                    images.sum()
                bench.wait()

            return read

        timings = interleaved({key: reader(source) for key, source in sources.items()}, repetitions)
        memory = {count: reading_memory(image, count) for count in (records, 4 * records)}
    notes = [
        f"milliseconds of {steps} batches of {batch_size} at {size} pixels, on {bench.device}",
        *(f"{mb:.0f} MB of a process's own memory while it reads {count} records" for count, mb in memory.items()),
    ]
    ratio = Ratio(REAL, PNG, timings[PNG].least / timings[REAL].least, None)
    return Report("The way from files to a model's input", timings, [ratio], notes, machine())


def bench_train(image: np.ndarray, repetitions: int, *, model: str, size: int, batch_size: int, steps: int) -> Report:
    """Whole training steps, fed in three ways."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), image, 2 * steps * batch_size, model, size, batch_size)
        network = build_model(bench.run).to(bench.device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
        loss = FocalLoss("single", 2.0, torch.ones(4)).to(bench.device)
        targets = torch.eye(4, device=bench.device)[torch.arange(batch_size, device=bench.device) % 4]

        def trainer(source: Iterator[torch.Tensor]) -> Callable[[], None]:
            def train() -> None:
                for images in islice(source, steps):
                    optimizer.zero_grad()
                    loss(network(images), targets[: len(images)]).backward()
                    optimizer.step()
                bench.wait()

            return train

        sources = {CACHED: bench.cached(), REAL: bench.packed(), PNG: bench.png()}
        contestants = {key: trainer(source) for key, source in sources.items()}
        timings = interleaved(contestants, repetitions)
        notes = [
            f"milliseconds of {steps} steps of {model}, batches of {batch_size} at {size} pixels, on {bench.device}"
        ]
        if bench.device.type == "cpu":  # on a machine with other work, processor time tells more; workers' is not in it
            own = interleaved({key: contestants[key] for key in (CACHED, REAL)}, repetitions, time.process_time)
            notes.append(
                f"in processor time: {own[CACHED].least / own[REAL].least:.3f} of the ready batch's throughput"
            )
    ratios = [
        Ratio(REAL, CACHED, timings[CACHED].least / timings[REAL].least, FED),
        Ratio(PNG, CACHED, timings[CACHED].least / timings[PNG].least, None),
    ]
    notes += [f"{key}: {1e3 * steps * batch_size / each.least:.1f} images a second" for key, each in timings.items()]
    return Report("Training steps, fed in three ways", timings, ratios, notes, machine())


def reading_memory(image: np.ndarray, records: int) -> float:
    """Megabytes of its own that a process has at most while it reads every batch of so many records."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_run(Path(name), image, records, "resnet10t", 64, 16)
        command = [sys.executable, "-c", READER, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
        return float(done.stdout)


def bench_image(signal: np.ndarray, sampling_rate: float) -> np.ndarray:
    """(640, 640) uint8: the model-ready image of a signal, (12, samples) in mV."""
    page = render_page(signal, sampling_rate, RenderConfig())
    return preprocess_palette(page.indices, page.palette, PreprocessConfig(size=SIZE))


def run_benchmark(
    name: str, signal: np.ndarray, sampling_rate: float, repetitions: int, **options: int | str
) -> Report:
    """``data`` or ``train`` with a signal's image."""
    image = (bench_image(signal, sampling_rate) > 0).astype(np.uint8)
    started = time.perf_counter()
    report = {"data": bench_data, "train": bench_train}[name](image, repetitions, **options)
    report.notes.append(f"load of the machine {os.getloadavg()[0]:.1f}, {time.perf_counter() - started:.0f} s in all")
    return report
