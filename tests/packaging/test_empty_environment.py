"""The wheel in an empty environment: what works with one extra, and what the messages say about the others."""

import os
import subprocess
import sys
import venv

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.package


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Run a program of the environment in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(program, *arguments, check=True):
        command = [str(programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done

    # prefer binaries: building from source takes minutes and compilers
    run("python", "-m", "pip", "install", "-q", "--prefer-binary", "-c", PROJECT / "constraints.txt", f"{wheel}[data]")
    return run


def test_records_become_images_without_pytorch(run):
    assert run("ecgpipe", "--version").stdout.startswith("ecgpipe ")
    run("ecgpipe", "simulate", "made", "--records", "20", "--seed", "1")
    record = "made/records100/00000/00001_lr"
    run("ecgpipe", "render", record, "-o", "page.png", "--boxes", "boxes.json", "--layout", "cardiac-images")
    run("ecgpipe", "preprocess", "page.png", "-o", "image.png", "--variant", "paper")
    for command in (("preprocess", "page.png", "-o", "traces.png"), ("read", "page.png", "-o", "read")):
        refused = run("ecgpipe", *command, check=False)  # the page reader is a network
        assert refused.returncode == 1
        assert "pip install 'ecgpipe[train]'" in refused.stderr
    run("ecgpipe", "labels", "made", "--policy", "primary")
    run("ecgpipe", "audit", "made")
    assert "table 2" in run("ecgpipe", "claims").stdout.lower()  # its figures are package data
    shape = "import cv2; print(cv2.imread('page.png').shape, cv2.imread('image.png').shape)"
    assert run("python", "-c", shape).stdout.split("(")[2].startswith("640, 640")
    installed = run("python", "-m", "pip", "list", "--format", "freeze").stdout.lower()
    assert "torch" not in installed
    assert "timm" not in installed


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["models"], "train"),
        (["compare", "a", "b", "-o", "c.html"], "report"),
        (["completion", "bash"], "completion"),
    ],
)
def test_a_command_that_needs_more_says_what_to_install(run, arguments, extra):
    done = run("ecgpipe", *arguments, check=False)
    assert done.returncode == 1
    assert f"pip install 'ecgpipe[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
