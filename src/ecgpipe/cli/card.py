"""ecgpipe card"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Save a trained run's model with its card: weights, configuration, preprocessing, scores, in one folder."""
    from ecgpipe.gpus import reserve_gpus

    with reserve_gpus(1, wait=False):
        _card(args)


def _card(args: Arguments) -> None:
    from ecgpipe.models.card import save_model

    print(save_model(args.run, args.output))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and where to."""
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a trained run")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: model/ in the run's folder")


CARD = Command("card", run, add_arguments, "card results/ptb-xl/folds/swin_lgf_fpn/seed-0")
