"""The reference of all commands as Markdown: `python -m ecgpipe.cli.reference > docs/commands.md`."""

import argparse

from ecgpipe.cli.main import GROUPS, build_parser

HEAD = """# All commands

`python -m ecgpipe.cli.reference` generates this page from the parsers; a test compares them.
`ecgpipe COMMAND --help` prints the same. All commands accept `--quiet` and `--verbose`, before or after their name.
Verbosity, colours and exit statuses: [Install](install.md#verbosity-colours-and-pipes).
"""


def reference() -> str:
    """The whole page."""
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    parts = [HEAD]
    for heading, group in GROUPS.items():
        parts.append(f"- {heading}: " + ", ".join(f"[{each.name}](#{each.name})" for each in group))
    parts.append("")
    for heading, group in GROUPS.items():
        parts.append(f"## Commands: {heading}\n")
        for command in group:
            actions = commands.choices[command.name]._actions
            rows = [_row(action) for action in actions if action.dest not in ("help", "quiet", "verbose")]
            examples = [f"    ecgpipe {line.strip()}" for line in command.examples.strip().splitlines()]
            parts += [f"### {command.name}\n", f"{command.help}\n", "\n".join(examples) + "\n"]
            parts += ["\n".join(["| argument | meaning |", "| --- | --- |", *rows]) + "\n"]
    return "\n".join(parts)


def _row(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        value = r" \| ".join(map(str, action.choices))
    if action.option_strings:
        is_flag = isinstance(action, argparse.BooleanOptionalAction) or action.nargs == 0
        names = ", ".join(f"`{option}`" for option in action.option_strings)
        shown = names if is_flag else f"{names} {value}"
    else:
        shown = value if action.choices else f"`{value}`"
    required = "; required" if action.option_strings and action.required else ""
    text = (action.help or "").replace("|", r"\|").replace("%%", "%")
    return f"| {shown} | {text}{required} |"


if __name__ == "__main__":
    print(reference(), end="")
