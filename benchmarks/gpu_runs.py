"""Train prepared runs on a machine that has a GPU, but not the data; docs/performance.md has the commands.

python -m benchmarks.gpu_runs pack FOLDER RUN_DIR ...         here: prepared runs of one split -> a small folder
python -m benchmarks.gpu_runs train FOLDER OUT [--variants NAME ...] [--epochs N] [--precision fp16]      there
python -m benchmarks.gpu_runs resume FOLDER OUT --variant NAME [--seconds S]                              there
python -m benchmarks.gpu_runs collect OUT RESULTS             here: predictions, histories and summaries

The packed folder holds each image once, compressed.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.runs import CHECKPOINTS, HISTORY_FILE, INDEX_FILE, SUMMARY_FILE, RunConfig, RunIndex
from ecgpipe.errors import ConfigError
from ecgpipe.train.callbacks import LAST
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.predict import predict_run

LIMIT = 60e6  # bytes of a packed folder
IMAGES, LOGITS, RESULTS = "images.npz", "logits.npz", "runs.tar.gz"


def pack(folder: Path, runs: Sequence[Path]) -> int:
    """Write the images and settings of prepared runs into a folder.

    Args:
        folder: is created.
        runs: prepared runs of the same split, one per variant, without ``init_from``.

    Returns:
        Its size in bytes.

    Raises:
        ConfigError: the runs differ in their images, or the folder is too large.
    """
    configs, indices = [RunConfig.read(run) for run in runs], [RunIndex.read(run) for run in runs]
    first, index = configs[0], indices[0]
    for run, config, own in zip(runs, configs, indices, strict=True):
        same = np.array_equal(own.record_ids, index.record_ids) and np.array_equal(own.rows, index.rows)
        files = [(run / name).resolve() for name in config.images]
        if config.init_from or not same or files != [(runs[0] / name).resolve() for name in first.images]:
            raise ConfigError(f"{run}: packed runs must share their images and start from random weights")
    shards = [open_images(runs[0] / name) for name in first.images]
    images = np.stack([shards[file][row] for file, row in zip(index.files, index.rows, strict=True)])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / IMAGES, images=images)
    replace(index, files=np.zeros_like(index.files), rows=np.arange(len(images), dtype=np.int32)).write(folder)
    for config in configs:
        (folder / config.variant).mkdir(exist_ok=True)
        config.model_copy(update={"images": ("../images.npy",)}).write(folder / config.variant)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > LIMIT:
        raise ConfigError(f"{folder}: {size / 1e6:.0f} MB, above {LIMIT / 1e6:.0f} MB; pack fewer records")
    return size


def unpack(folder: Path, work: Path, variant: str, **changes: object) -> Path:
    """Write a run that can be trained.

    Args:
        folder: the packed folder.
        work: receives the images and the run.
        variant: which of the packed runs.
        changes: keys of ``train`` to change; with other epochs the warm-up keeps its share.

    Returns:
        The run's folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "images.npy").is_file():
        with np.load(folder / IMAGES) as arrays:
            np.save(work / "images.npy", arrays["images"])
    run = RunConfig.read(folder / variant)
    changed = {key: value for key, value in changes.items() if value is not None}
    train = run.train.model_dump() | changed
    if "epochs" in changed:
        train["warmup_epochs"] = run.train.warmup_epochs * train["epochs"] / run.train.epochs
    (work / variant).mkdir(exist_ok=True)
    run.model_copy(update={"train": type(run.train)(**train)}).write(work / variant)
    shutil.copyfile(folder / INDEX_FILE, work / variant / INDEX_FILE)
    return work / variant


def train(run: Path) -> dict:
    """Train a run, write its logits, and return the lines to print."""
    started = time.perf_counter()
    summary = train_run(run, TrainerOptions(tensorboard=False, save_minutes=1000))
    index, logits = predict_run(run)
    np.savez_compressed(
        run / LOGITS, logits=logits, record_ids=index.record_ids, roles=index.roles, targets=index.targets
    )
    keys = ("variant", "epochs", "best_epoch", "best_validation_loss", "seconds", "precision", "device")
    peak = summary["peak_gpu_bytes"]
    return {key: summary[key] for key in keys} | {
        "peak_gpu_mib": peak and round(peak / 2**20),
        "total_seconds": round(time.perf_counter() - started, 1),
    }


def write_results(work: Path, out: Path) -> None:
    """Write one archive of the small files of all finished runs."""
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(out / RESULTS, "w:gz") as archive:
        for logits in sorted(work.glob(f"*/{LOGITS}")):
            for name in (LOGITS, HISTORY_FILE, SUMMARY_FILE, "run.json"):
                archive.add(logits.parent / name, f"{logits.parent.name}/{name}")


def resume(folder: Path, work: Path, variant: str, seconds: float, **changes: object) -> dict:
    """Kill a run after its first epoch and some seconds, resume it, and compare it with an undisturbed one.

    Returns:
        ``killed_after``: epochs done; ``resumed``; the largest difference of a validation loss between the two.
    """
    losses, found = [], {}
    for name in ("undisturbed", "killed"):
        run = unpack(folder, work / name, variant, **changes)
        if name == "killed":
            process = multiprocessing.get_context("spawn").Process(target=train_run, args=(run,))
            process.start()
            while process.is_alive() and not (run / CHECKPOINTS / LAST).is_file():
                time.sleep(0.05)
            time.sleep(seconds)
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            found["killed_after"] = len(_column(run, "epoch"))
        found["resumed"] = train_run(run, TrainerOptions(tensorboard=False))["resumed"]
        losses.append(_column(run, "validation_loss"))
    return found | {"epochs": len(losses[0]), "difference": float(np.abs(np.subtract(*losses)).max())}


def _column(run: Path, name: str) -> list[float]:
    lines = (run / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index(name)
    return [float(line.split(",")[place]) for line in lines[1:]]


def collect(out: Path, results: Path) -> list[Path]:
    """Write predictions.parquet, history.csv and train.json of each run into its place below RESULTS."""
    from ecgpipe.artifacts.predictions import Predictions  # needs pandas, which the other machine may lack

    written = []
    with tarfile.open(out / RESULTS) as archive:
        archive.extractall(out / "runs", filter="data")
    for file in sorted((out / "runs").glob(f"*/{LOGITS}")):
        run = RunConfig.read(file.parent)
        folder = results / run.dataset / run.protocol / run.variant / f"seed-{run.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        with np.load(file) as arrays:
            roles = np.array(ROLES)[arrays["roles"]]
            Predictions(arrays["record_ids"], roles, arrays["logits"], arrays["targets"], run.classes, run.task).write(
                folder / "predictions.parquet"
            )
        for name in (HISTORY_FILE, SUMMARY_FILE):
            shutil.copyfile(file.parent / name, folder / name)
        written.append(folder / "predictions.parquet")
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("runs", type=Path, nargs="+")
    for name in ("train", "resume"):
        one = commands.add_parser(name)
        one.add_argument("folder", type=Path)
        one.add_argument("out", type=Path)
        one.add_argument(
            "--work", type=Path, default=Path(tempfile.gettempdir(), "gpu-runs"), help="for images and checkpoints"
        )
        one.add_argument("--epochs", type=int, help="replaces the packed number; the warm-up keeps its share")
        one.add_argument("--precision", choices=("fp16", "bf16", "fp32"))
        if name == "train":
            one.add_argument("--variants", nargs="+", help="train only these of the packed variants")
            one.add_argument("--seconds", type=float, default=np.inf, help="start no run after this time")
        else:
            one.add_argument("--variant", required=True)
            one.add_argument("--seconds", type=float, default=1.0, help="from the end of the first epoch to the kill")
    collecting = commands.add_parser("collect")
    collecting.add_argument("out", type=Path)
    collecting.add_argument("results", type=Path)
    args = parser.parse_args(arguments)
    if args.command == "pack":
        print(f"{pack(args.folder, args.runs) / 1e6:.1f} MB in {args.folder}")
    elif args.command == "collect":
        print("\n".join(map(str, collect(args.out, args.results))))
    else:
        changes = {"epochs": args.epochs, "precision": args.precision}
        if args.command == "resume":
            print(json.dumps(resume(args.folder, args.work, args.variant, args.seconds, **changes)))
            return
        started = time.monotonic()
        for variant in args.variants or sorted(file.parent.name for file in args.folder.glob("*/run.json")):
            if time.monotonic() - started < args.seconds:
                print(json.dumps(train(unpack(args.folder, args.work, variant, **changes))), flush=True)
                write_results(args.work, args.out)


if __name__ == "__main__":
    main()
