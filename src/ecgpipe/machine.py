"""Processor, memory and git checkout. A change here trains models again, unlike one in ``environment``."""

import os
import platform
import subprocess
from pathlib import Path


def processor_name() -> str:
    """The model of this machine's processor, or its architecture if the system does not name the model."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Installed memory; None where it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def git(folder: Path | str, *arguments: str) -> str | None:
    """The output of a git command in a folder; None without git or outside a repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
