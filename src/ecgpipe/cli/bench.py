"""ecgpipe bench"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command

NAMES = ("render", "preprocess")


def run(args: Arguments) -> None:
    """Measure the speed of a stage beside matplotlib's, in the same run."""
    from ecgpipe.bench.stages import BENCHMARKS, bench_signal

    report = BENCHMARKS[args.name](*bench_signal(args.record), args.repetitions)
    print(json.dumps(report.as_dict(), indent=1) if args.json else report.as_text())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stage, on which record."""
    parser.add_argument("name", choices=NAMES, help="what is measured")
    parser.add_argument("--record", type=Path, metavar="RECORD", help="WFDB record (default: a simulated one)")
    parser.add_argument("--repetitions", type=int, default=9, metavar="N", help="rounds, 1 or more (default 9)")
    parser.add_argument("--json", action="store_true", help="print JSON")


BENCH = Command("bench", run, add_arguments, "bench render --json")
