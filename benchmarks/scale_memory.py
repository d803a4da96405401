"""Peak memory of each stage for ten times as many records.

    python -m benchmarks.scale_memory DIR [--step prepare ...] [--index]

Stages that process one shard (audit_sketch, render, preprocess, preprocess_records) get shards of 100 and 1,000
simulated records. Stages that process the whole dataset (audit_join, prepare, loading, evaluate) get synthetic tables,
signal sketches and random images of 64 x 64 pixels for 21,837 and 218,370 records, which are memory-mapped. Sketches
are varied from those of simulated records or, if DIR/real is (a link to) a copy of PTB-XL, of real ones. Each stage
runs in its own process. --index compares the audit's search for duplicates by an index with that of all pairs instead.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.scale import ONE_THREAD

SHARD, WHOLE = (100, 1000), (21_837, 218_370)
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
SIDE = 64


def simulated(folder: Path, records: int) -> Path:
    """Simulate records and list them, unless they exist."""
    from ecgpipe.acquire.ptbxl import list_ptbxl_records
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.artifacts.tables import RECORDS

    place = folder / f"simulated-{records}"
    if not (place / "records.parquet").exists():
        simulate_dataset(place / "raw", records=records, seed=1)
        RECORDS.write(list_ptbxl_records(place / "raw", 100, 100_000)[0], place / "records.parquet")
    return place


def synthetic(folder: Path, records: int) -> Path:
    """Write synthetic tables and images, unless they exist."""
    from ecgpipe.artifacts.images import write_images
    from ecgpipe.artifacts.predictions import Predictions
    from ecgpipe.artifacts.tables import IMAGE_INDEX, RECORDS, SPLIT, Labels

    place, rng = folder / f"synthetic-{records}", np.random.default_rng(0)
    if (place / "predictions.parquet").exists():
        return place
    ids = np.array([f"{number:06d}" for number in range(records)])
    roles = rng.choice(["train", "validation", "test"], records, p=[0.8, 0.1, 0.1])
    targets = np.eye(5, dtype=np.uint8)[rng.integers(0, 5, records)]
    for start in range(0, records, 1000):
        some = ids[start : start + 1000]
        write_images(rng.integers(0, 256, (len(some), SIDE, SIDE // 8), np.uint8), SIDE, place / f"{start:06d}.npy")
        index = pd.DataFrame({"record_id": some, "ink": np.float32(0.02), "homography": None, "bend": None})
        IMAGE_INDEX.write(index, place / f"{start:06d}.index.parquet")
    Labels(ids, targets, CLASSES, "primary").write(place / "labels.parquet")
    SPLIT.write(pd.DataFrame({"record_id": ids, "role": roles}), place / "split.parquet")
    table = pd.DataFrame({"record_id": ids, "patient_id": ids, "shard": "0", "path": ids, "fold": 1, "age": 50.0})
    table = table.assign(sex="male", statements="{}", content="").astype({"fold": "Int16", "age": "float32"})
    RECORDS.write(table[RECORDS.schema.names], place / "records.parquet")
    reported = roles != "train"
    logits = rng.normal(size=(int(reported.sum()), 5)).astype(np.float32) + 2 * targets[reported]
    Predictions(ids[reported], roles[reported], logits, targets[reported], CLASSES, "single").write(
        place / "predictions.parquet"
    )
    return place


def synthetic_sketches(place: Path) -> None:
    """Write signal sketches varied from those of records, and the number of known duplicates, unless they exist.

    The records are those of ``place/../real``, a link to a copy of PTB-XL, or else simulated.
    """
    from benchmarks.sketches import details_of, made_in_parts, sketches_of
    from ecgpipe.artifacts.tables import RECORDS, SKETCHES

    ids = RECORDS.read(place / "records.parquet", ["record_id"])["record_id"]
    files = [place / f"{start:06d}.sketches.parquet" for start in range(0, len(ids), 1000)]
    known = place / "known.txt"
    if not known.exists():
        details = details_of(*base_records(place.parent))
        copies = 0
        for number, (made, found) in enumerate(made_in_parts(details, len(ids), seed=1)):
            some = ids[1000 * number : 1000 * (number + 1)]
            table = pd.DataFrame({"record_id": some, "digest": [f"{name:0>64}" for name in some]})
            table = table.assign(properties='{"sampling rate": "100 Hz", "duration": "10 s"}', anomalies="[]")
            table = table.assign(sketch=[row.tobytes() for row in sketches_of(made)])
            SKETCHES.write(table.assign(detail=[row.tobytes() for row in made]), files[number])
            copies += found
        known.write_text(str(copies))


def base_records(folder: Path) -> tuple[pd.DataFrame, Path]:
    """Records to vary, and their source."""
    from ecgpipe.acquire.ptbxl import list_ptbxl_records
    from ecgpipe.artifacts.tables import RECORDS

    real = folder / "real"
    if real.exists():
        return list_ptbxl_records(real, 500 if (real / "records500").exists() else 100, 1000)[0], real
    place = simulated(folder, 1000)
    return RECORDS.read(place / "records.parquet"), place / "raw"


def audit_sketch(place: Path) -> int:
    """scripts/audit_sketch.py."""
    from ecgpipe.artifacts.tables import RECORDS, SKETCHES
    from ecgpipe.audit.sketch import sketch_records

    rows = list(sketch_records(RECORDS.read(place / "records.parquet"), place / "raw"))
    SKETCHES.write(rows, place / "sketches.parquet")
    return len(rows)


def render(place: Path) -> int:
    """scripts/render.py."""
    from ecgpipe.artifacts.tables import RECORDS
    from ecgpipe.config.pages import RenderConfig
    from ecgpipe.render.shard import render_shard

    records = RECORDS.read(place / "records.parquet")
    files = place / "pages.parquet", place / "pages.problems.parquet"
    return render_shard(records, place / "raw", 100, RenderConfig(), *files, title="render")


def preprocess(place: Path) -> int:
    """scripts/preprocess.py."""
    from ecgpipe.artifacts.pages import StoredPages
    from ecgpipe.config.pages import PreprocessConfig
    from ecgpipe.imaging.shard import make_images

    files = [place / name for name in ("images.npy", "images.index.parquet", "images.problems.parquet")]
    return make_images(StoredPages([place / "pages.parquet"]), PreprocessConfig(), *files, title="preprocess")


def preprocess_records(place: Path) -> int:
    """scripts/preprocess.py without stored pages."""
    from ecgpipe.artifacts.tables import RECORDS
    from ecgpipe.config.pages import PreprocessConfig
    from ecgpipe.imaging.pages import RenderedPages
    from ecgpipe.imaging.shard import make_images

    files = [place / f"direct.{name}" for name in ("npy", "index.parquet", "problems.parquet")]
    pages = RenderedPages(RECORDS.read(place / "records.parquet"), place / "raw", 100, {})
    return make_images(pages, PreprocessConfig(), *files, title="preprocess")


def audit_join(place: Path) -> int:
    """scripts/audit_join.py."""
    from ecgpipe.artifacts.tables import RECORDS
    from ecgpipe.audit.duplicates import Sketches
    from ecgpipe.audit.summary import audit

    records = RECORDS.read(place / "records.parquet", ["record_id", "patient_id", "statements"])
    files = sorted(place.glob("*.sketches.parquet"))
    start = time.monotonic()
    found = audit(records, Sketches(files))
    known = (place / "known.txt").read_text()
    print(f"{len(found.pairs)} pairs, {known} known, in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return found.summary["records"]


def index(folder: Path) -> None:
    """Compare the audit's index with all pairs, on the records to vary and an altered copy of each."""
    from benchmarks.sketches import altered, details_of, quantized, sketches_of
    from ecgpipe.audit import candidates
    from ecgpipe.audit.duplicates import Sketches, find_duplicates

    details = details_of(*base_records(folder))
    copies, close = altered(details, np.random.default_rng(2))
    both = np.concatenate([details, quantized(copies)])
    names = [f"{kind}{number:06d}" for kind in ("a", "b") for number in range(len(details))]
    table = pd.DataFrame({"record_id": names, "digest": names, "properties": "{}", "anomalies": "[]"})
    table["sketch"], table["detail"] = [row.tobytes() for row in sketches_of(both)], [row.tobytes() for row in both]
    found = []
    for most in (len(both), 0):
        candidates.ALL_PAIRS = most
        found.append(find_duplicates(Sketches([table]))[1])
        way = "all pairs" if most else "index"
        print(f"{len(both)} records, {close.sum()} known: {way}: {len(found[-1])} pairs")
    print("equal" if found[0].equals(found[1]) else "different")


def prepare(place: Path) -> int:
    """scripts/prepare.py."""
    from ecgpipe.artifacts.tables import IMAGE_INDEX, SPLIT, Labels
    from ecgpipe.config.models import ModelConfig
    from ecgpipe.config.training import TrainConfig
    from ecgpipe.train.prepare import prepare_run

    record_ids, roles = SPLIT.read_text(place / "split.parquet", ["record_id", "role"])
    labels = Labels.read(place / "labels.parquet")
    prepare_run(
        place / "run", dataset="d", protocol="folds", variant="resnet34", seed=0, classes=labels.classes, task="single",
        record_ids=record_ids, roles=roles, targets=labels.of_records(record_ids),
        images={
            Path(str(index).replace(".index.parquet", ".npy")): IMAGE_INDEX.read_text(index, ["record_id"])[0]
            for index in sorted(place.glob("*.index.parquet"))
        },
        model=ModelConfig(image_size=SIDE), train=TrainConfig(),
    )  # fmt: skip
    return len(record_ids)


def loading(place: Path) -> int:
    """The batches of one epoch of training and of a prediction, without a model."""
    from ecgpipe.artifacts.runs import RunConfig, RunIndex
    from ecgpipe.train.data import EpochBatchSampler, PackedImages, make_loader

    run, items = RunConfig.read(place / "run"), RunIndex.read(place / "run")
    read = 0
    for role, recipe, seed in (("train", run.train, 0), ("test", None, None)):
        images = PackedImages(place / "run", run, items, recipe)
        for batch in make_loader(images, EpochBatchSampler(items.indices(role), 16, seed)):
            read += len(batch.targets)
    return read


def evaluate(place: Path) -> int:
    """scripts/evaluate.py, with 200 resamples."""
    from ecgpipe.artifacts.predictions import Predictions
    from ecgpipe.artifacts.tables import read_grouped
    from ecgpipe.config.analysis import EvaluateConfig
    from ecgpipe.evaluate.scores import evaluate_run

    predictions = Predictions.read(place / "predictions.parquet")
    records = read_grouped(place / "records.parquet", None, predictions.record_ids)
    found = evaluate_run(predictions, records, EvaluateConfig(resamples=200))
    return found["records"]


WHOLE_STEPS = (audit_join, prepare, loading, evaluate)
STEPS = {step.__name__: step for step in (audit_sketch, render, preprocess, preprocess_records, *WHOLE_STEPS)}
OF_SHARDS = ("audit_sketch", "render", "preprocess", "preprocess_records")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="working folder; requires 2 GB")
    parser.add_argument("--step", choices=STEPS, action="append", help="only this step; repeatable")
    parser.add_argument("--index", action="store_true", help="compare the audit's index with all pairs, and stop")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        start, done = time.process_time(), STEPS[arguments.child](arguments.place)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"done": done, "cpu_seconds": round(time.process_time() - start, 1), "peak_mb": round(peak)}))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.index:
        index(arguments.folder)
        return
    print("| stage | records | peak MB | records | peak MB | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for step in arguments.step or STEPS:
        found = []
        for records in SHARD if step in OF_SHARDS else WHOLE:
            place = (simulated if step in OF_SHARDS else synthetic)(arguments.folder, records)
            if step == "audit_join":
                synthetic_sketches(place)
            command = [sys.executable, "-m", "benchmarks.scale_memory", str(arguments.folder), "--child", step]
            command += ["--place", str(place)]
            done = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
        small, large = found
        cells = (step, small["done"], small["peak_mb"], large["done"], large["peak_mb"])
        print("| " + " | ".join(map(str, cells)) + f" | {large['peak_mb'] / small['peak_mb']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
