"""The command line tool."""

from ecgpipe.cli.main import main

__all__ = ["main"]
