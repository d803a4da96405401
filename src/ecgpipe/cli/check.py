"""ecgpipe check"""

import argparse
import json
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command
from ecgpipe.errors import DataError, EcgpipeError


class NotResults(EcgpipeError):
    """There is nothing to check, which says nothing of whether something is damaged."""

    exit_status = 2


def run(args: Arguments) -> None:
    """Read every file of results that carries a checksum, and name those that are damaged."""
    from ecgpipe.artifacts.check import check_folder

    try:
        found = check_folder(args.folder)
    except DataError as error:
        raise NotResults(str(error)) from error
    damaged = found.damaged
    if not found.whole and not damaged:
        raise NotResults(f"{args.folder}: no file of ecgpipe's with a checksum is here; give the folder of results")
    if args.json:
        rows = [
            {"file": str(one.file), "message": one.message, "delete": one.delete and str(one.delete)} for one in damaged
        ]
        document = {
            "folder": str(args.folder), "whole": found.whole, "without_checksum": found.without, "damaged": rows,
        }  # fmt: skip
        print(json.dumps(document, indent=1))
    else:
        for one in damaged:
            print(one.message)
    whole = f"{found.whole} file{' is' if found.whole == 1 else 's are'} whole"
    rest = f"{found.without} carr{'ies' if found.without == 1 else 'y'} no checksum"
    if damaged:
        were = "file is" if len(damaged) == 1 else "files are"
        raise EcgpipeError(
            f"{len(damaged)} {were} damaged, {whole}, {rest}; what no later job reads is made again if you name it: "
            "snakemake FILE"
        )
    if not args.json:
        print(f"{whole}, {rest}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("folder", type=Path, metavar="RESULTS", help="the folder of results, or a part of it")
    parser.add_argument("--json", action="store_true", help="print JSON: whole, without_checksum, damaged")


CHECK = Command(
    "check",
    run,
    add_arguments,
    """check results
check results/ptb-xl --json""",
)
