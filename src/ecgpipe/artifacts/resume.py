"""A folder for the state of a job that may be interrupted."""

import glob
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def resumable_folder(target: Path | str, *identity: str) -> Iterator[Path]:
    """A folder beside a job's output for checkpoints: kept if the job is interrupted, deleted if the block succeeds.

    What a job with another identity left is deleted first.

    Args:
        target: the output.
        identity: all that the state depends on: settings, checksums of the inputs and the code.
    """
    target = Path(target)
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:8]
    folder = target.with_name(f"{target.stem}-{digest}")
    for other in target.parent.glob(f"{glob.escape(target.stem)}-{'[0-9a-f]' * 8}"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)
