"""The parser of all commands, and what every command does with mistakes."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ecgpipe import __version__
from ecgpipe.cli.audit import AUDIT
from ecgpipe.cli.bench import BENCH
from ecgpipe.cli.card import CARD
from ecgpipe.cli.claims import CLAIMS
from ecgpipe.cli.compare import COMPARE
from ecgpipe.cli.doctor import DOCTOR
from ecgpipe.cli.download import DOWNLOAD
from ecgpipe.cli.export import EXPORT
from ecgpipe.cli.labels import LABELS
from ecgpipe.cli.models import MODELS
from ecgpipe.cli.preprocess import PREPROCESS
from ecgpipe.cli.render import RENDER
from ecgpipe.cli.simulate import SIMULATE
from ecgpipe.cli.train import TRAIN
from ecgpipe.errors import EcgpipeError

COMMANDS = (
    DOWNLOAD,
    SIMULATE,
    LABELS,
    AUDIT,
    RENDER,
    PREPROCESS,
    MODELS,
    TRAIN,
    CARD,
    EXPORT,
    COMPARE,
    CLAIMS,
    BENCH,
    DOCTOR,
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ecgpipe",
        description="ECG images: simulate, draw, preprocess, train. Snakemake runs the benchmark: README.md.",
    )
    parser.add_argument("--version", action="version", version=f"ecgpipe {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more of what is done")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        text = (command.run.__doc__ or "").strip()
        sub = subparsers.add_parser(
            command.name, help=text, description=text, epilog=f"example: ecgpipe {command.example}"
        )
        command.add_arguments(sub)
        sub.set_defaults(command=command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 after a message on what to mend (128 + n: signal n)."""
    args = build_parser().parse_args(arguments)
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=level if args.command.logs or args.verbose else logging.WARNING, format="%(message)s")
    try:
        args.command.run(args)
    except ValueError as error:
        if type(error).__name__ != "ValidationError":  # pydantic's, of a section built from options
            raise
        for problem in error.errors():
            name = "--" + "-".join(map(str, problem["loc"])) if problem["loc"] else "the options"
            print(f"ecgpipe: {name}: {problem['msg']}; given: {problem['input']!r}", file=sys.stderr)
        return 1
    except EcgpipeError as error:
        print(f"ecgpipe: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("ecgpipe: interrupted", file=sys.stderr)
        return 130
    return 0
