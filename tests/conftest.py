"""Fixtures and helpers that several test modules share."""

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent


TOGETHER = ("tests/predict/", "tests/report/", "tests/train/")
"""Folders whose modules share fixtures that take long."""

SLOW = (
    "tests/workflow/test_rerun.py",
    "tests/workflow/test_workflow.py",
    "tests/workflow/",
    *TOGETHER,
    "tests/models/",
)
"""What takes longest, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules first (with ``--no-loadscope-reorder``), so that no process waits long for the last one."""
    items.sort(key=lambda item: next((i for i, start in enumerate(SLOW) if item.nodeid.startswith(start)), len(SLOW)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """With ``--dist loadscope``, one process runs all tests of a module or folder, so that fixtures are made once.

    The same for the commands of a page of the documentation, which use each other's files.
    Not with groups: pytest-xdist 3.8 does not hand them to pytest 9.
    """
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module, _, test = nodeid.partition("::")
            if page := re.match(r"test_the_command_runs\[(\S+\.md): ", test):
                return page[1]
            return next((folder for folder in TOGETHER if module.startswith(folder)), module)

    return ByModule(config, log)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    """A picture as a file of this kind."""
    stream = io.BytesIO()
    picture.copy().save(stream, kind, **options)  # a picture remembers the options of its last format
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    """Path below a folder -> content, of every file in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zipped(folder: Path, top: str = "") -> Path:
    """A zip archive beside a folder, with the folder's files below ``top``."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            file.write(path, f"{top}{path.relative_to(folder)}")
    return archive


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; without it the test is skipped."""
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data beside the checkout: {folder.relative_to(PROJECT.parent)}")
    return folder


@pytest.fixture(scope="session")
def ptbxl_copy(shared_data, tmp_path_factory) -> Path:
    """120 real records of PTB-XL (at 500 Hz, and at 100 Hz) in PhysioNet's layout."""
    folder = tmp_path_factory.mktemp("ptb-xl") / "copy"
    command = [sys.executable, str(shared_data / "unpack_ptbxl.py"), str(folder), "--only", "120"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def cardiac_copy(shared_data, tmp_path_factory) -> Path:
    """The real image dataset, all 928 files at half size."""
    folder = tmp_path_factory.mktemp("cardiac") / "copy"
    subprocess.run([sys.executable, str(shared_data / "unpack_cardiac_images.py"), str(folder)], check=True)
    return folder
