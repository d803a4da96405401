"""What the README's commands leave behind is ignored by git."""

import shlex
import shutil
import subprocess

import pytest

from ecgpipe.cli.main import build_parser
from tests.conftest import PROJECT
from tests.docs.commands import commands_of

FOLDERS = ("download", "simulate", "new-dataset", "new-model", "publish")


def written() -> set[str]:
    """Files and folders that the README's commands write."""
    found = {"results/demo", "data/simulated", "my_clinic", "model.onnx"}
    for line in commands_of(PROJECT / "README.md"):
        if not line.startswith("ecgpipe ") or "[" in line or "..." in line:
            continue
        args = build_parser().parse_args(shlex.split(line.partition(" > ")[0])[1:])
        paths = [getattr(args, name, None) for name in ("output", "boxes", "cam", "dropped", "out")]
        paths += [args.folder] if args.command.name in FOLDERS else []
        found |= {str(path) for path in paths if path is not None}
    return found


@pytest.mark.skipif(shutil.which("git") is None or not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_what_the_readme_s_commands_write_is_ignored():
    paths = sorted(written())
    done = subprocess.run(
        ["git", "check-ignore", *(f"{path}/x" for path in paths), *paths], cwd=PROJECT, text=True, capture_output=True
    )
    ignored = {line.removesuffix("/x") for line in done.stdout.splitlines()}
    assert sorted(set(paths) - ignored) == []
