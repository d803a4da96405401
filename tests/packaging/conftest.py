"""The wheel, built once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT


def build(kind: str, folder: Path) -> Path:
    """Build the wheel or the source archive, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling")
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def source_archive(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling")
    return build("sdist", tmp_path_factory.mktemp("sdist"))
