"""A short training of each of the nine variants on real records: does every one lower its loss? See docs/models.md.

python benchmarks/nine_variants.py PTB_XL_COPY WORK_FOLDER [--records 96] [--size 96] [--epochs 5] [--variants ...]

Records of PTB-XL, drawn, preprocessed and labelled (superclass, single) by the library; full-size models under the
paper's recipe, but for the rate, the warm-up and the epochs. Prints a Markdown table.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from ecgpipe.acquire.labels import make_labels, read_grouping
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.config.data import LabelsConfig
from ecgpipe.config.models import VARIANTS, ModelConfig
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.imaging.shard import make_images
from ecgpipe.render.shard import render_shard
from ecgpipe.train.engine import train_run
from ecgpipe.train.prepare import prepare_run


def main() -> None:
    """Draw, preprocess, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of a copy of PTB-XL with records at 500 Hz")
    parser.add_argument("work", type=Path, help="folder for pages, images and runs")
    parser.add_argument("--records", type=int, default=96, help="records before those without a class are left out")
    parser.add_argument("--size", type=int, default=96, help="side of the models' input")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS, metavar="VARIANT")
    args = parser.parse_args()

    records, _ = list_ptbxl_records(args.source, 500, shard_size=100_000, limit=args.records)
    labels, _ = make_labels(records, *read_grouping(args.source, "superclass"), LabelsConfig(policy="single"))
    pages, images, index = (args.work / name for name in ("pages.parquet", "images.npy", "index.parquet"))
    problems, preprocess = args.work / "problems.parquet", PreprocessConfig()
    render_shard(records, args.source, 500, RenderConfig(), pages, problems, title="render")
    make_images(StoredPages([pages]), preprocess, images, index, problems, title="preprocess")
    drawn = IMAGE_INDEX.read(index)["record_id"].tolist()
    ids = np.intersect1d(labels.record_ids, drawn)
    held = np.arange(len(ids)) % 4 == 3

    print("| variant | training records | loss, first epoch | last epoch | validation, first | last |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for variant in args.variants:
        folder = args.work / variant
        prepare_run(
            folder,
            dataset="ptb-xl",
            protocol="quarter",
            variant=variant,
            seed=0,
            classes=labels.classes,
            task=labels.task,
            record_ids=ids,
            roles=np.where(held, "validation", "train"),
            targets=labels.of_records(ids),
            images={images: drawn},
            model=ModelConfig(image_size=args.size),
            train=TrainConfig(epochs=args.epochs, warmup_epochs=1, learning_rate=args.rate),
        )
        train_run(folder)
        with open(folder / "history.csv", encoding="utf-8") as file:
            history = list(csv.DictReader(file))
        losses = [float(history[e][f"{part}_loss"]) for part in ("train", "validation") for e in (0, -1)]
        print(f"| `{variant}` | {(~held).sum()} | {' | '.join(f'{x:.3f}' for x in losses)} |", flush=True)


if __name__ == "__main__":
    main()
