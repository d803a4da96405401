"""What a command is."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

Arguments = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """One command of the tool.

    Args:
        name: as typed.
        run: does it; its docstring is the help text. It imports what it needs when it runs, so that help is instant.
        add_arguments: declares the arguments.
        example: command lines without the tool's name, one a line; what follows a # explains it.
        logs: whether its log messages are shown without --verbose.
    """

    name: str
    run: Callable[[Arguments], None]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    example: str
    logs: bool = False
