"""ecgpipe completion"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command

SHELLS = ("bash", "zsh", "tcsh")


def run(args: Arguments) -> None:
    """Print a script that lets a shell complete commands, options and file names."""
    import shtab

    from ecgpipe.cli.main import build_parser

    parser = build_parser()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, args.shell))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser and of its commands."""
    found = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for sub in action.choices.values() for inner in _actions(sub)]
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS, help="which")


COMPLETION = Command(
    "completion",
    run,
    add_arguments,
    """completion bash > ~/.local/share/bash-completion/completions/ecgpipe
completion zsh > ~/.zfunc/_ecgpipe    # ~/.zfunc must be in fpath, before compinit""",
)
