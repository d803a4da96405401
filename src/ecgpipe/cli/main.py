"""The parser of all commands, and what every command does with mistakes."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ecgpipe import __version__
from ecgpipe.cli.audit import AUDIT
from ecgpipe.cli.bench import BENCH
from ecgpipe.cli.card import CARD
from ecgpipe.cli.check import CHECK
from ecgpipe.cli.claims import CLAIMS
from ecgpipe.cli.colour import paint
from ecgpipe.cli.compare import COMPARE
from ecgpipe.cli.completion import COMPLETION
from ecgpipe.cli.doctor import DOCTOR
from ecgpipe.cli.download import DOWNLOAD
from ecgpipe.cli.export import EXPORT
from ecgpipe.cli.failures import exit_status
from ecgpipe.cli.labels import LABELS
from ecgpipe.cli.models import MODELS
from ecgpipe.cli.new_dataset import NEW_DATASET
from ecgpipe.cli.new_model import NEW_MODEL
from ecgpipe.cli.parser import Parser
from ecgpipe.cli.predict import PREDICT
from ecgpipe.cli.preprocess import PREPROCESS
from ecgpipe.cli.publish import PUBLISH
from ecgpipe.cli.render import RENDER
from ecgpipe.cli.serve import SERVE
from ecgpipe.cli.simulate import SIMULATE
from ecgpipe.cli.train import TRAIN

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
    PREDICT,
    SERVE,
    COMPARE,
    CLAIMS,
    CHECK,
    PUBLISH,
    BENCH,
    DOCTOR,
    NEW_DATASET,
    NEW_MODEL,
    COMPLETION,
)


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="ecgpipe",
        description="ECG images: simulate, draw, preprocess, train. Snakemake runs the benchmark: README.md.",
        epilog=_examples("render RECORD -o page.png\nCOMMAND --help    # the command's arguments, and examples"),
    )
    parser.add_argument("--version", action="version", version=f"ecgpipe {__version__}")
    _add_talk(parser, False)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        text = (command.run.__doc__ or "").strip()
        sub = subparsers.add_parser(command.name, help=text, description=text, epilog=_examples(command.example))
        command.add_arguments(sub)
        # here too, so that their place does not matter; without a default, which would undo what stands before
        _add_talk(sub.add_argument_group("messages"), argparse.SUPPRESS)
        sub.set_defaults(command=command, parser=sub)
    return parser


def _add_talk(parser: argparse._ActionsContainer, default: object) -> None:
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=default, help="results and errors only: no progress, no notes"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=default, help="say more of what is done, and where it failed"
    )


def _examples(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(
        [paint("examples:" if len(lines) > 1 else "example:", "bold", sys.stdout)]
        + [f"  ecgpipe {line.strip()}" for line in lines]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (see ecgpipe.cli.failures): 0, or 1 after a message on what to mend."""
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    level = logging.DEBUG if args.verbose else logging.INFO if args.command.logs else logging.WARNING
    logging.basicConfig(level=logging.ERROR if args.quiet else level, format="%(message)s")
    try:
        args.command.run(args)
        sys.stdout.flush()  # here, where a reader that has gone can still be told from a fault
    except (Exception, KeyboardInterrupt) as error:
        return exit_status(error, args.verbose)
    return 0
