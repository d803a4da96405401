"""ecgpipe audit"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Look for copies, odd and broken files, and label conflicts in a data set."""
    import pandas as pd

    from ecgpipe.acquire.ptbxl import DATABASE, list_ptbxl_records
    from ecgpipe.artifacts.files import write_json
    from ecgpipe.artifacts.sources import open_source
    from ecgpipe.artifacts.tables import ANOMALIES, DUPLICATES, PAIRS, SKETCHES
    from ecgpipe.audit.duplicates import Sketches
    from ecgpipe.audit.sketch import list_folder, sketch_records
    from ecgpipe.audit.summary import audit
    from ecgpipe.progress import progress

    missing = []
    source = open_source(args.folder)
    if DATABASE in source:
        rate = args.sampling_rate or (500 if source.names("records500") else 100)
        records, missing = list_ptbxl_records(args.folder, rate, shard_size=1000)
    else:
        records = list_folder(args.folder)
    rows = list(progress(sketch_records(records, args.folder), "audit", len(records)))
    found = audit(records, Sketches([pd.DataFrame(rows, columns=SKETCHES.schema.names)]))
    summary = {"folder": str(args.folder), **found.summary, "missing": len(missing)}
    if args.out:
        DUPLICATES.write(found.duplicates, args.out / "duplicates.parquet")
        PAIRS.write(found.pairs, args.out / "pairs.parquet")
        ANOMALIES.write(found.anomalies, args.out / "anomalies.parquet")
        write_json(args.out / "audit.json", summary)
    if args.json:
        copies = found.duplicates[found.duplicates.duplicated("near", keep=False)]
        details = {
            "copies": [group["record_id"].tolist() for _, group in copies.groupby("near")],
            "pairs": found.pairs.to_dict("records"),
            "anomaly_list": found.anomalies.to_dict("records"),
        }
        print(json.dumps(summary | details, indent=1))
        return
    _print(summary, found.pairs, found.anomalies, args.examples)


def _print(summary: dict, pairs, anomalies, examples: int) -> None:
    what = summary["kind"]
    print(f"{summary['folder']}: {summary['records']} {what}, {summary['unreadable']} unreadable")
    if summary["missing"]:
        print(f"listed, but not there (or there, but not listed): {summary['missing']}")
    print(f"distinct: {summary['distinct']}; {summary['distinct_groups']} if near-identical ones count once")
    if summary["patients"] is not None:
        print(f"patients: {summary['patients']}, {summary['patients_with_several']} of them with several records")
    if summary["classes"]:
        print("\nclass or statement: records, distinct")
        for name, count in list(summary["classes"].items())[:20]:
            print(f"  {name:55} {count:6} {summary['distinct_by_class'].get(name, 0):6}")
    print(f"\nnear-identical pairs: {summary['near_pairs']}")
    for pair in pairs.head(examples).itertuples():
        print(f"  {pair.similarity:.3f}  {pair.first}  {pair.second}")
    print(f"\ncopies with different labels: {len(summary['conflicts'])} groups")
    for conflict in summary["conflicts"][:examples]:
        print(f"  {', '.join(conflict['records'][:4])}: {' | '.join(conflict['statements'])}")
    print("\nanomalies (records)")
    for kind, count in summary["anomalies"].items():
        print(f"  {kind}: {count}")
        for row in anomalies[anomalies["kind"] == kind].head(examples).itertuples():
            print(f"    {row.record_id}: {row.detail}")
    if not summary["anomalies"]:
        print("  none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and where to."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="a copy of PTB-XL, a folder of class folders of images, or of .hea files; or a zip archive of one",
    )
    parser.add_argument("--sampling-rate", type=int, choices=(100, 500), help="of a copy of PTB-XL with both")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="examples of each kind (default 5)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the tables there")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


AUDIT = Command(
    "audit",
    run,
    add_arguments,
    """audit data/ptb-xl
audit data/ptb-xl --json
audit scans.zip --out audit    # tables of copies, pairs and anomalies""",
)
