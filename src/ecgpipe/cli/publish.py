"""ecgpipe publish"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Write the results of a finished run as a few small files for a repository: Markdown, CSV and SVG."""
    from ecgpipe.report.publish.build import publish

    files = publish(args.results, args.folder)
    size = sum(file.stat().st_size for file in files)
    print(f"{args.folder / 'index.md'}: {len(files)} files, {size / 1000:,.0f} kB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and where to."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of results, with its report")
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="for index.md, configuration.yaml, tables/ and figures/; only files of an earlier publish are replaced",
    )


PUBLISH = Command(
    "publish",
    run,
    add_arguments,
    """publish results docs/results/mine
publish results/demo demo-page    # to look at it first""",
)
