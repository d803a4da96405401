"""The environment: of the processes that a workflow starts, and which libraries are there."""

import os
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def export_source(folder: Path | str) -> None:
    """Let child processes use the library in a folder, whether it is installed or not, and share the processor well.

    Threads that wait for others sleep instead of spinning: two trainings that shared two cores then each ran at more
    than half the speed of one alone; spinning, at a quarter.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Version by name of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
