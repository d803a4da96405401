"""The reference of all commands as Markdown, from the parsers: `python -m ecgpipe.cli.reference > docs/commands.md`."""

import argparse

from ecgpipe.cli.main import COMMANDS, build_parser

HEAD = """# Every command

Made from the commands' parsers by `python -m ecgpipe.cli.reference`; a test holds it to them.
`ecgpipe COMMAND --help` says the same. Every command also takes `--quiet` and `--verbose`, before or after its name.
Silence, colours and exit statuses: [Install](install.md#silence-colour-pipes).
"""


def reference() -> str:
    """The whole page."""
    parser = build_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parts = [HEAD]
    for command in COMMANDS:
        sub = commands.choices[command.name]
        rows = [_row(action) for action in sub._actions if action.dest not in ("help", "quiet", "verbose")]
        examples = [f"    ecgpipe {line.strip()}" for line in command.example.strip().splitlines()]
        parts += [f"## {command.name}\n", f"{(command.run.__doc__ or '').strip()}\n", "\n".join(examples) + "\n"]
        parts += ["\n".join(["| argument | meaning |", "| --- | --- |", *rows]) + "\n"]
    return "\n".join(parts)


def _row(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        value = r" \| ".join(map(str, action.choices))
    if action.option_strings:
        flag = isinstance(action, argparse.BooleanOptionalAction) or action.nargs == 0
        names = ", ".join(f"`{option}`" for option in action.option_strings)
        shown = names if flag else f"{names} {value}"
    else:
        shown = value if action.choices else f"`{value}`"
    needed = "; needed" if action.option_strings and action.required else ""
    text = (action.help or "").replace("|", r"\|").replace("%%", "%")
    return f"| {shown} | {text}{needed} |"


if __name__ == "__main__":
    print(reference(), end="")
