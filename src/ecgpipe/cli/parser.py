"""Commands, and argparse with examples in the help and suggestions for mistyped words."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

from ecgpipe.errors import EcgpipeError
from ecgpipe.public import install_hint

Arguments = argparse.Namespace
Argument = tuple[tuple[str, ...], dict[str, Any]]
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as typed.
        run: executes it. Its docstring is the help text; it imports the library itself, so that --help is fast.
        arguments: see ``argument``.
        examples: command lines without the program's name, one per line.
        logs: whether its log messages are shown without --verbose.
    """

    name: str
    run: Callable[[Arguments], None]
    arguments: tuple[Argument, ...]
    examples: str
    logs: bool

    @property
    def help(self) -> str:
        """The help text."""
        return (self.run.__doc__ or "").strip()


def argument(*names: str, **options: Any) -> Argument:
    """The parameters of one ``ArgumentParser.add_argument``."""
    return names, options


def positive(text: str) -> int:
    """A whole number of 1 or more, as the ``type`` of an argument."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text}: give a whole number of 1 or more")
    return int(text)


def command(*arguments: Argument, examples: str, logs: bool = False) -> Callable[[Callable], Command]:
    """Decorator that turns a function into a command; ``new_model`` becomes ``new-model``."""
    return lambda run: Command(run.__name__.replace("_", "-"), run, arguments, examples, logs)


def paint(text: str, style: str, stream: TextIO | None) -> str:
    """The text in a style if the stream is a terminal and NO_COLOR is not set (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or stream is None or stream.closed or not stream.isatty():
        return text
    return f"\033[{STYLES[style]}m{text}\033[0m"


def say(args: Arguments, text: str) -> None:
    """Print what a command wrote; ``--quiet`` hides it."""
    if not args.quiet:
        print(text, flush=True)


def describe_error(error: BaseException, verbose: bool) -> str:
    """What an exception says to the user; ``verbose`` if the traceback is printed anyway."""
    if isinstance(error, EcgpipeError):
        return str(error)
    if isinstance(error, ImportError) and (hint := install_hint(error.name)):
        return f"this command {hint}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first_line = (str(error).strip().splitlines() or ["no message"])[0]
    hint = "" if verbose else "; --verbose shows where (please report it with that output)"
    return f"unexpected {type(error).__name__}: {first_line}{hint}"


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Bold headings on terminals; line breaks in examples are kept; commands are listed by group."""

    def _format_action(self, action: argparse.Action) -> str:
        groups: dict[str, tuple[str, ...]] | None = getattr(action, "groups", None)
        if groups is None:
            return super()._format_action(action)
        listed = {choice.dest: choice for choice in self._iter_indented_subactions(action)}
        parts = []
        for heading, names in groups.items():
            parts.append(f"  {paint(heading, 'bold', sys.stdout)}:\n")
            self._indent()
            parts += [self._format_action(listed[name]) for name in names if name in listed]
            self._dedent()
        return "".join(parts)

    def start_section(self, heading: str | None) -> None:
        super().start_section(paint(heading, "bold", sys.stdout) if heading else heading)


class Parser(argparse.ArgumentParser):
    """A parser of the whole command line or of one command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        if sys.version_info >= (3, 14):  # has its own colours and suggestions
            kwargs |= {"color": False, "suggest_on_error": False}
        super().__init__(*args, **kwargs)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Like argparse, but suggest an option of the same command for an unknown one."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = getattr(parsed, "parser", self)
            hints = [parser._option_hint(text) for text in unknown if text.startswith("-")]
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{next(filter(None, hints), '')}")
        return parsed

    def _option_hint(self, text: str) -> str:
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        return suggestion(text.partition("=")[0], known)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        hint = suggestion(str(value), map(str, action.choices)) or f"; choose from {', '.join(action.choices)}"
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
        raise argparse.ArgumentError(action if what == "choice" else None, f"no such {what}: {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        """Print the error and a reference to --help; exit with status 2."""
        print(f"{paint(self.prog, 'red', sys.stderr)}: {message}", file=sys.stderr)
        print(f"try: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def suggestion(given: str, known: Iterable[str]) -> str:
    """``; did you mean NAME?``, or nothing if no known name is similar."""
    close = difflib.get_close_matches(given, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
