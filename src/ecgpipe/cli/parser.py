"""argparse with help that shows examples, and with suggestions for what was mistyped."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ecgpipe.cli.colour import paint


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with bold headings on terminals; examples stay on their own lines."""

    def start_section(self, heading: str | None) -> None:
        super().start_section(paint(heading, "bold", sys.stdout) if heading else heading)


class Parser(argparse.ArgumentParser):
    """A parser of the whole command line or of one command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        if sys.version_info >= (3, 14):  # which colours and suggests by itself, in other words
            kwargs |= {"color": False, "suggest_on_error": False}
        super().__init__(*args, **kwargs)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """As argparse, but an unknown option is compared with those of its own command."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = getattr(found, "parser", self)
            hints = [parser._hint_of_option(text) for text in unknown if text.startswith("-")]
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{next(filter(None, hints), '')}")
        return found

    def _hint_of_option(self, text: str) -> str:
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        return did_you_mean(text.partition("=")[0], known)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        hint = did_you_mean(str(value), map(str, action.choices)) or f"; choose from {', '.join(action.choices)}"
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
        raise argparse.ArgumentError(action if what == "choice" else None, f"no such {what}: {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        """One line on what is wrong, one on where to read on; exit status 2."""
        print(f"{paint(self.prog, 'red', sys.stderr)}: {message}", file=sys.stderr)
        print(f"try: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean NAME?``, or nothing where no known name is close."""
    close = difflib.get_close_matches(given, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
