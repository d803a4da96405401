"""Files compared with the list of SHA-256 sums in their folder."""

from collections.abc import Callable
from pathlib import Path

from ecgpipe.acquire.fetch import file_sha256
from ecgpipe.artifacts.sums import SUMS, read_sums
from ecgpipe.errors import DataError
from ecgpipe.progress import progress


def check_sums(folder: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> int:
    """Check files against the list in their folder; returns how many were checked.

    Args:
        folder: where the files and the list are.
        wanted: which of the listed files must be there.

    Raises:
        DataError: the list is missing or not one, a file is missing, or differs.
    """
    folder = Path(folder)
    sums = {name: expected for name, expected in read_sums(folder / SUMS).items() if wanted(name)}
    for name, expected in progress(sums.items(), f"check {folder.name}", len(sums), "files"):
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            raise DataError(f"{folder / name}: listed in {SUMS}, but cannot be read ({error})") from error
        if found != expected:
            raise DataError(f"{folder / name}: its SHA-256 differs from {SUMS}; fetch it again")
    return len(sums)
