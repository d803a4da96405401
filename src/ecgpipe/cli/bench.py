"""ecgpipe bench"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command

NAMES = ("render", "preprocess", "data", "train")


def run(args: Arguments) -> None:
    """Measure the speed of a stage beside other ways to do the same, in the same run."""
    from ecgpipe.bench.stages import BENCHMARKS, bench_signal

    signal = bench_signal(args.record)
    if args.name in BENCHMARKS:
        report = BENCHMARKS[args.name](*signal, args.repetitions)
    else:
        from ecgpipe.bench.feeding import run_benchmark

        options = {"size": args.image_size, "batch_size": args.batch_size, "steps": args.steps}
        options |= {"model": args.model} if args.name == "train" else {"records": args.records}
        report = run_benchmark(args.name, *signal, args.repetitions, **options)
    print(json.dumps(report.as_dict(), indent=1) if args.json else report.as_text())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stage, on which record."""
    parser.add_argument("name", choices=NAMES, help="what is measured")
    parser.add_argument("--record", type=Path, metavar="RECORD", help="WFDB record (default: a simulated one)")
    parser.add_argument("--repetitions", type=int, default=9, metavar="N", help="rounds, 1 or more (default 9)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    feeding = parser.add_argument_group("data and train")
    feeding.add_argument("--model", default="resnet34", help="train: variant or timm model (default resnet34)")
    feeding.add_argument("--image-size", type=int, default=640, metavar="PIXELS", help="default 640")
    feeding.add_argument("--batch-size", type=int, default=16, metavar="N", help="default 16")
    feeding.add_argument("--steps", type=int, default=4, metavar="N", help="batches a round (default 4)")
    feeding.add_argument(
        "--records", type=int, default=2000, metavar="N", help="data: memory with so many, and 4 times"
    )


BENCH = Command(
    "bench",
    run,
    add_arguments,
    """bench render --json
bench train --model swin --image-size 224 --batch-size 4""",
)
