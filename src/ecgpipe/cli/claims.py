"""ecgpipe claims"""

import argparse
import json
import sys
from pathlib import Path

from ecgpipe.cli.colour import paint
from ecgpipe.cli.command import Arguments, Command

COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow", "not run": "dim"}


def run(args: Arguments) -> None:
    """Check the paper's claims: what its figures imply, and what the runs of a results folder say of them."""
    from ecgpipe.config.analysis import EvaluateConfig
    from ecgpipe.errors import DataError
    from ecgpipe.evaluate.claims import Evidence, check_claims, gather_evidence_from_folder
    from ecgpipe.paper import load_paper

    config = EvaluateConfig(confidence=args.confidence, margin=args.margin)
    paper, evidence = load_paper(), Evidence({})
    if args.results is not None:
        if not args.results.is_dir():
            raise DataError(f"{args.results}: no such folder of results")
        evidence = gather_evidence_from_folder(args.results, paper, config)
        if not evidence.comparisons:
            raise DataError(
                f"{args.results}: no <dataset>/comparisons/<protocol>.json in it; run `snakemake all` first"
            )
    checked = check_claims(paper, evidence, config)
    if args.json:
        print(json.dumps(checked, indent=1))
        return
    _print_arithmetic(checked["arithmetic"])
    _print_claims(checked, args.all)


def _print_arithmetic(tables: list[dict]) -> None:
    print("What the printed accuracies imply")
    for table in tables:
        sizes = ", ".join(map(str, table["sizes"])) or "none"
        print(f"\n{table['table']} ({table['dataset']}): set sizes up to {table['limit']} that fit: {sizes}")
        for model in table["models"]:
            share = f"{model['accuracy']:.4f} = {model['right']}/{table['records']}"
            print(f"  {model['model']:24} {share}  exact interval {model['low']:.4f} - {model['high']:.4f}")
        for found in table["leads"]:
            limit = found["significant_up_to"]
            means = (
                f"significant only if the two differ on at most {limit} records"
                if limit is not None
                else f"never significant: McNemar's exact p is at least {found['p_best']:.3g}"
            )
            print(f"  lead over {found['second']:24} {found['lead_records']:3} records; {means}")


def _print_claims(checked: dict, every: bool) -> None:
    print("\nClaims")
    for dataset, told in checked["departures"].items():
        if told:
            print(f"  {dataset}: not the paper's recipe: {'; '.join(told)}")
    for row in checked["claims"]:
        if row["kind"] != "claim" and not every:
            continue
        verdict = paint(row["verdict"].upper(), COLOURS.get(row["verdict"], "bold"), sys.stdout)
        print(f"\n  {row['id']} ({row['place']}): {verdict}")
        print(f"    {row['claim']}")
        if row["finding"] != row["verdict"]:
            print(f"    in these runs: {row['finding']}")
        if row["ours"] is not None:
            reach = f" ({row['low']:.4f} - {row['high']:.4f})" if row["low"] is not None else ""
            chance = "" if row["p"] is None else f", p {row['p']:.3g}"
            print(f"    ours: {row['ours']:.4f}{reach}, {row['test']}{chance}")
        if row["note"]:
            print(f"    {row['note']}")
    cells = [row for row in checked["claims"] if row["kind"] == "cell"]
    for word in ("supported", "contradicted", "undecided", "not run"):
        print(f"\n  cells of tables 2 to 4, {word}: {sum(row['verdict'] == word for row in cells)}", end="")
    print("" if every else "\n\n(--all lists every cell and every part of a claim)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The results, if any."""
    parser.add_argument(
        "results", type=Path, nargs="?", metavar="RESULTS", help="a folder of results; none: arithmetic"
    )
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the exact intervals (default 0.95)")
    parser.add_argument("--margin", type=float, default=0.01, help="so near to a figure is the same (default 0.01)")
    parser.add_argument("--all", action="store_true", help="list every cell and every part of a claim")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


CLAIMS = Command(
    "claims",
    run,
    add_arguments,
    """claims    # what the paper's figures imply by themselves
claims results --all""",
)
