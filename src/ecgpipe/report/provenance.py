"""What made a report: commit, versions, machine, time."""

import os
import platform
import subprocess
from pathlib import Path

import ecgpipe
from ecgpipe.environment import installed_versions

LIBRARIES = (
    "torch",
    "timm",
    "lightning",
    "numpy",
    "opencv-python-headless",
    "scikit-learn",
    "wfdb",
    "grad-cam",
    "snakemake",
)


def provenance() -> dict[str, str]:
    """Name -> what it was, of the code and the machine that this runs on."""
    return {
        "ecgpipe": ecgpipe.__version__,
        "commit": commit_of(Path(ecgpipe.__file__).parent),
        "python": platform.python_version(),
        **installed_versions(LIBRARIES),
        "system": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} logical cores",
        "memory": _memory(),
    }


def commit_of(folder: Path) -> str:
    """The git commit of the checkout that a folder is in, marked where files differ from it; or why it is not known."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "not known (no git checkout)"
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "not known"
