"""ecgpipe compare"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Compare two runs, or two folders of results, on the records that both report."""
    from ecgpipe.artifacts.files import write_text
    from ecgpipe.cli.compare_page import comparison_page
    from ecgpipe.config.analysis import EvaluateConfig
    from ecgpipe.evaluate.compare_runs import compare_results, read_results_folder

    config = EvaluateConfig(
        resamples=args.resamples, confidence=args.confidence, threshold=args.threshold, seed=args.seed
    )
    compared = compare_results(read_results_folder(args.first), read_results_folder(args.second), config)
    if args.output:
        write_text(args.output, comparison_page(compared))
    if args.json:
        print(json.dumps(compared, indent=1))
    else:
        _print(compared)
        if args.output:
            print(f"\nwritten: {args.output}")


def _print(compared: dict) -> None:
    from ecgpipe.cli.compare_page import chance, score, signed

    print(f"first: {compared['first']}\nsecond: {compared['second']}")
    for note in compared["notes"]:
        print(note)
    for pair in compared["pairs"]:
        models = dict.fromkeys((pair["first_model"], pair["second_model"]))
        print(f"\n{pair['dataset']}, {pair['protocol']}: {' against '.join(models)}")
        sizes = f"{pair['first_records']} and {pair['second_records']} records"
        print(f"  {sizes}, {pair['common']} in both; seeds {', '.join(map(str, pair['seeds'])) or 'none in common'}")
        if pair["note"]:
            print(f"  {pair['note']}")
        for row in pair["rows"]:
            seed = f", seed {row['seeds'][0]}" if row["test"] != "bootstrap" else ""
            reach = "" if row["low"] is None else f" ({signed(row['low'])} to {signed(row['high'])})"
            values = f"{score(row['first_value'])} - {score(row['second_value'])} = {signed(row['difference'])}{reach}"
            right = (
                "" if row["first_only"] is None else f" [only one right: {row['first_only']} : {row['second_only']}]"
            )
            print(f"  {row['metric'] + ', ' + row['test'] + seed:34} {values}{right} p {chance(row['p'])}", end="")
            print(f", Holm {chance(row['p_holm'])}" + (f" ({row['note']})" if row["note"] else ""))
    for side in ("first", "second"):
        if compared[f"only_{side}"]:
            print(f"\nonly in the {side}: {', '.join(compared[f'only_{side}'])}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two folders."""
    parser.add_argument("first", type=Path, metavar="RESULTS_A", help="a folder of results, or one run's folder")
    parser.add_argument("second", type=Path, metavar="RESULTS_B", help="another")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="write a page that needs no other file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--resamples", type=int, default=2000, metavar="N", help="of the bootstrap (default 2000)")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the intervals (default 0.95)")
    parser.add_argument("--threshold", type=float, default=0.5, help="of multi-label calls (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default 0)")


COMPARE = Command(
    "compare",
    run,
    add_arguments,
    """compare results/old results/new -o comparison.html
compare results/ptb-xl/folds/swin/seed-0 results/ptb-xl/folds/vit/seed-0 --json""",
)
