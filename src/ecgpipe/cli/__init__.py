"""The command line tool: a module per command, each with its arguments and what it does."""

from ecgpipe.cli.main import main

__all__ = ["main"]
