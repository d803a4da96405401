"""ecgpipe simulate"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Write simulated records in PTB-XL's layout, with the truth."""
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.progress import progress_counter

    simulate_dataset(
        args.folder,
        records=args.records,
        seed=args.seed,
        sampling_rates=args.sampling_rate or (100,),
        difficulty=args.difficulty,
        workers=args.workers,
        progress=progress_counter("simulate"),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and how many records."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to write")
    parser.add_argument("--records", type=int, required=True, metavar="N", help="number of records")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="seeds every record")
    parser.add_argument("--sampling-rate", type=int, choices=(100, 500), action="append", help="Hz; may be given twice")
    parser.add_argument(
        "--difficulty", type=float, default=0.25, help="share of subtle findings, 0 to 1 (default 0.25)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")


SIMULATE = Command(
    "simulate",
    run,
    add_arguments,
    """simulate data/simulated --records 200 --seed 1
simulate data/both --records 20 --seed 1 --sampling-rate 100 --sampling-rate 500""",
)
