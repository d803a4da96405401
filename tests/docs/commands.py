"""The shell commands in README.md and docs/: lines of fenced and indented blocks that start with a program."""

import re
from pathlib import Path

from tests.conftest import PROJECT

PROGRAMS = (
    "ecgpipe",
    "snakemake",
    "make",
    "pip",
    "python",
    "pytest",
    "source",
    "sbatch",
    "apptainer",
    "docker",
    "podman",
)
GENERATED = ("commands.md",)  # made from --help, which tests of the command line parse


def pages() -> list[Path]:
    """All pages with commands for users."""
    return [PROJECT / "README.md", *sorted(p for p in (PROJECT / "docs").glob("*.md") if p.name not in GENERATED)]


def commands_of(page: Path) -> list[str]:
    """The commands of a page, without comments, continued lines joined."""
    found, fenced, waiting = [], None, ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\s*```(\w*)", line):
            fenced = None if fenced is not None else match[1]
            continue
        if not (line.startswith("    ") if fenced is None else fenced in ("", "console", "bash", "sh")):
            waiting = ""
            continue
        text = re.sub(r"\s+#\s.*$", "", line).strip().removeprefix("$ ")
        if waiting or text.split(" ")[0] in PROGRAMS:
            if text.endswith("\\"):
                waiting += text[:-1]
                continue
            found.append(waiting + text)
        waiting = ""
    return found


def all_commands() -> list[tuple[str, str]]:
    """Page and command, in the order of the pages: every command once, except those whose folder a page needs."""
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    for page in pages():
        for command in dict.fromkeys(commands_of(page)):
            if command not in seen or command.startswith("ecgpipe new-"):
                found.append((page.name, command))
            seen.add(command)
    return found
