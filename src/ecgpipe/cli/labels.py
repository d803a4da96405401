"""ecgpipe labels"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Count the labels of a PTB-XL copy; needs its two tables, no signals."""
    from ecgpipe.acquire.labels import make_labels
    from ecgpipe.acquire.ptbxl import read_database, superclass_of
    from ecgpipe.config.acquire import SUPERCLASSES, LabelsConfig

    config = LabelsConfig(policy=args.policy, min_likelihood=args.min_likelihood)
    database = read_database(args.folder)
    # the statements table of another release may lie one level up
    statements = next(
        (f for f in (args.folder, args.folder.parent) if (f / "scp_statements.csv").is_file()), args.folder
    )
    ids = [str(ecg_id) for ecg_id in database.index]
    _, counts = make_labels(ids, database["scp_codes"].tolist(), superclass_of(statements), SUPERCLASSES, config)
    if args.json:
        print(json.dumps({"policy": args.policy, "records": len(ids), **counts.as_dict()}, indent=1))
        return
    print(f"{len(ids)} records, policy {args.policy}: {counts.kept} kept")
    for name, count in counts.classes.items():
        print(f"  {name:5} {count:6}")
    for reason, count in counts.dropped.items():
        print(f"left out, {reason}: {count}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and the policy."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="folder with ptbxl_database.csv and scp_statements.csv"
    )
    parser.add_argument(
        "--policy", choices=("single", "primary", "multilabel"), default="single", help="default: single"
    )
    parser.add_argument(
        "--min-likelihood", type=float, default=0, metavar="PERCENT", help="ignore statements below it"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


LABELS = Command("labels", run, add_arguments, "labels data/ptb-xl --policy single")
