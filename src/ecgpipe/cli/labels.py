"""ecgpipe labels"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Count the labels of a PTB-XL copy; needs its two tables, no signals."""
    import pandas as pd

    from ecgpipe.acquire.labels import make_labels, read_grouping
    from ecgpipe.acquire.ptbxl import STATEMENTS, read_database
    from ecgpipe.artifacts.files import atomic_path
    from ecgpipe.artifacts.sources import open_source
    from ecgpipe.artifacts.tables import DROPPED
    from ecgpipe.config.data import LabelsConfig

    config = LabelsConfig(
        policy=args.policy,
        grouping=args.grouping,
        min_likelihood=args.min_likelihood,
        zero_likelihood=args.zero_likelihood,
        min_records=args.min_records,
    )
    database = read_database(args.folder)
    # the statements table of another release may lie one level up
    table = next((f for f in (args.folder, args.folder.parent) if STATEMENTS in open_source(f)), args.folder)
    group_of, classes = read_grouping(table, config.grouping)
    ids = [f"{ecg_id:05d}" for ecg_id in database.index]
    records = pd.DataFrame({"record_id": ids, "statements": database["scp_codes"].tolist()})
    _, counts = make_labels(records, group_of, classes, config)
    if args.dropped:
        with atomic_path(args.dropped) as partial:
            pd.DataFrame(counts.dropped_records, columns=DROPPED.schema.names).to_csv(partial, index=False)
    if args.json:
        told = {"policy": args.policy, "grouping": args.grouping, "records": len(ids), **counts.as_dict()}
        print(json.dumps(told, indent=1))
        return
    print(f"{len(ids)} records, policy {args.policy}, grouping {args.grouping}: {counts.kept} kept")
    width = max(map(len, counts.classes))
    for name, count in counts.classes.items():
        print(f"  {name:{width}} {count:6}")
    for name, count in counts.rare.items():
        print(f"class left out, too rare: {name} ({count})")
    for reason, count in counts.dropped.items():
        print(f"left out, {reason}: {count}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and the policy."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="folder, or zip archive, with ptbxl_database.csv and scp_statements.csv",
    )
    parser.add_argument(
        "--policy", choices=("single", "primary", "multilabel"), default="single", help="default: single"
    )
    parser.add_argument(
        "--grouping",
        default="superclass",
        metavar="G",
        help="superclass (default), subclass, diagnostic, form, rhythm, all, or a CSV file (statement, class)",
    )
    parser.add_argument("--min-records", type=int, default=1, metavar="N", help="leave out classes with fewer records")
    parser.add_argument("--min-likelihood", type=float, default=0, metavar="PERCENT", help="ignore statements below it")
    parser.add_argument(
        "--zero-likelihood", choices=("unknown", "absent"), default="unknown", help="what likelihood 0 means"
    )
    parser.add_argument("--dropped", type=Path, metavar="FILE.csv", help="write the records left out, and why")
    parser.add_argument("--json", action="store_true", help="print JSON")


LABELS = Command(
    "labels",
    run,
    add_arguments,
    """labels data/ptb-xl --policy single
labels data/ptb-xl --policy multilabel --grouping subclass --min-records 50 --json""",
)
