"""The pages agree with the code."""

import ast
import re

import pytest

from ecgpipe.cli.reference import reference
from tests.conftest import PROJECT


def test_the_command_reference_is_that_of_the_parsers():
    assert (PROJECT / "docs" / "commands.md").read_text() == reference()


def literals() -> list[str]:
    """The fixed parts of all strings of the code."""
    return [
        node.value
        for path in (PROJECT / "src" / "ecgpipe").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_every_message_of_the_troubleshooting_page_is_one_of_the_code():
    page = (PROJECT / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert len(messages) > 40
    known = "\n".join(literals())
    lost = [
        (message, part)
        for message in messages
        for part in filter(lambda part: len(part) > 3, (part.strip(" .,;:()[]'") for part in message.split("…")))
        if part not in known
    ]
    assert not lost


def test_every_page_is_in_the_navigation():
    yaml = pytest.importorskip("yaml")
    text = (PROJECT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w-]+\.md", str(yaml.safe_load(text)["nav"])))
    assert {path.name for path in (PROJECT / "docs").glob("*.md")} <= named
