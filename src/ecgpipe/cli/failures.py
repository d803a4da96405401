"""What a person reads when a command fails: a line, never a traceback unless asked for."""

import os
import sys
import traceback

from ecgpipe.cli.colour import paint
from ecgpipe.errors import EcgpipeError
from ecgpipe.public import install_hint

MISTAKE, UNEXPECTED, INTERRUPTED, BROKEN_PIPE = 1, 70, 130, 141
"""Exit statuses: something to mend, a fault of the tool (EX_SOFTWARE), and 128 + the signal's number."""


def exit_status(error: BaseException, verbose: bool) -> int:
    """Tell of a failed command, and say with which exit status it ends."""
    if isinstance(error, BrokenPipeError):
        # what is still in the buffer has nowhere to go; without this the interpreter complains at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if verbose:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        tell("interrupted")
        return INTERRUPTED
    if isinstance(error, EcgpipeError):
        tell(str(error))
        return getattr(error, "exit_status", MISTAKE)
    if isinstance(error, ImportError) and (found := install_hint(error.name)):
        tell(f"this command {found}")
        return MISTAKE
    if isinstance(error, OSError) and error.strerror:
        tell(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
        return MISTAKE
    if type(error).__name__ == "ValidationError":  # pydantic's, of a section built from options
        for problem in error.errors():  # type: ignore[attr-defined]
            name = "--" + "-".join(map(str, problem["loc"])).replace("_", "-") if problem["loc"] else "the options"
            tell(f"{name}: {problem['msg']}; given: {problem['input']!r}")
        return MISTAKE
    hint = "" if verbose else "; --verbose shows where (please report it with that)"
    tell(f"unexpected {type(error).__name__}: {_first_line(error)}{hint}")
    return UNEXPECTED


def tell(message: str) -> None:
    """A message about the command, to standard error."""
    print(f"{paint('ecgpipe', 'red', sys.stderr)}: {message}", file=sys.stderr)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "without a message"
