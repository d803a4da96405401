"""The command line: its parser, and the exit status and message of a failed command."""

import argparse
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from ecgpipe import __version__
from ecgpipe.cli import data, models, new, pages, results, system
from ecgpipe.cli.parser import Command, Parser, describe_error, paint
from ecgpipe.cli.predict import predict, serve
from ecgpipe.cli.read import digitize, read
from ecgpipe.errors import EcgpipeError

GROUPS: dict[str, tuple[Command, ...]] = {
    "data": (data.download, data.simulate, new.new_dataset, data.labels, data.audit),
    "pages": (pages.render, pages.preprocess, read, digitize),
    "models": (
        predict,
        serve,
        models.train,
        models.card,
        models.export,
        models.models,
        new.new_model,
    ),
    "results": (results.compare, results.claims, results.check, results.publish),
    "system": (system.doctor, system.bench, system.completion),
}
COMMANDS: tuple[Command, ...] = tuple(command for group in GROUPS.values() for command in group)
FAILED, UNEXPECTED, INTERRUPTED, BROKEN_PIPE = 1, 70, 130, 141
"""Exit statuses: an error that the user can correct; a bug (EX_SOFTWARE); 128 + number of the signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not every file name can be encoded; stderr escapes by itself
        sys.stdout.reconfigure(errors="backslashreplace")
    level = logging.DEBUG if args.verbose else logging.INFO if args.command.logs else logging.WARNING
    logging.basicConfig(level=logging.ERROR if args.quiet else level, format="%(message)s")
    try:
        args.command.run(args)
        sys.stdout.flush()  # raises a broken pipe here instead of at the exit of the interpreter
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error, args.verbose)
    return 0


def build_parser() -> Parser:
    """Build the parser of all commands."""
    parser = Parser(
        prog="ecgpipe",
        description="Read 12-lead ECGs from recordings, scans and photos, digitize pages, train and test classifiers. "
        "Snakemake runs the benchmark and writes the report.",
        epilog=_examples("render RECORD -o page.png\nCOMMAND --help    # arguments and examples of a command"),
    )
    parser.add_argument("--version", action="version", version=f"ecgpipe {__version__}")
    parser.set_defaults(all_commands=parser)  # for completion
    _add_verbosity(parser, False)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    subparsers.groups = {  # type: ignore[attr-defined]  # for Formatter
        heading: tuple(command.name for command in group) for heading, group in GROUPS.items()
    }
    for command in COMMANDS:
        text, examples = command.help, _examples(command.examples)
        sub = subparsers.add_parser(command.name, help=text, description=text, epilog=examples)
        for names, options in command.arguments:
            sub.add_argument(*names, **options)
        # also after the command's name; a default would overwrite an option before the name
        _add_verbosity(sub.add_argument_group("messages"), argparse.SUPPRESS)
        sub.set_defaults(command=command, parser=sub)
    return parser


def _add_verbosity(parser: argparse._ActionsContainer, default: object) -> None:
    options = {"action": "store_true", "default": default}
    parser.add_argument("-q", "--quiet", **options, help="show only results and errors")
    parser.add_argument("-v", "--verbose", **options, help="show more messages, and the traceback of a failure")


def _examples(text: str) -> str:
    lines = text.strip().splitlines()
    heading = paint("examples:" if len(lines) > 1 else "example:", "bold", sys.stdout)
    return "\n".join([heading, *(f"  ecgpipe {line.strip()}" for line in lines)])


def report_failure(error: BaseException, verbose: bool) -> int:
    """Print one line about a failed command (with --verbose also the traceback), and return the exit status."""
    if isinstance(error, BrokenPipeError):
        # otherwise the interpreter complains at exit that it cannot write the rest of the buffer
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if verbose:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    if isinstance(error, EcgpipeError):
        return _fail(str(error), getattr(error, "exit_status", FAILED))
    if type(error).__name__ == "ValidationError":  # pydantic's, of a configuration built from options
        for problem in error.errors():  # type: ignore[attr-defined]
            name = "--" + "-".join(map(str, problem["loc"])).replace("_", "-") if problem["loc"] else "the options"
            message = problem["msg"].removeprefix("Value error, ")
            _fail(f"{name}: {message}; given: {problem['input']!r}")
        return FAILED
    message = describe_error(error, verbose)
    return _fail(message, UNEXPECTED if message.startswith("unexpected ") else FAILED)


def _fail(message: str, status: int = FAILED) -> int:
    print(f"{paint('ecgpipe', 'red', sys.stderr)}: {message}", file=sys.stderr)
    return status
