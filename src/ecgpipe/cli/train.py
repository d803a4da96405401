"""ecgpipe train"""

import argparse
import sys
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Train a prepared run (a folder with run.json and items.npz); goes on where an interrupted one stopped."""
    from ecgpipe.train.engine import train_run

    summary = train_run(args.run, threads=args.threads, show_progress=sys.stderr.isatty())
    print(
        f"{summary['variant']}: {summary['epochs']} epochs in {summary['seconds']:.0f} s, lowest validation loss "
        f"{summary['best_validation_loss']:.4f} in epoch {summary['best_epoch']}; weights in {args.run}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run's folder."""
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a prepared run")
    parser.add_argument("--threads", type=int, help="CPU threads")


TRAIN = Command("train", run, add_arguments, "train results/ptb-xl/folds/swin_lgf_fpn/seed-0", logs=True)
