"""A job's log: everything that is logged or warned goes to its file, and failures are told without noise."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ecgpipe.errors import EcgpipeError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
REMEDIES = {
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room within your quota and run again",
    errno.EROFS: "it is on a file system that is mounted for reading only; have it changed and run again",
    errno.EACCES: "see to the rights of the file and its folder, and run again",
    errno.EPERM: "see to the rights and attributes of the file and its folder, and run again",
}


@contextmanager
def job_log(job: Any) -> Iterator[None]:
    """Log to the job's log file within the block.

    A mistake in configuration or data, a full disk or a place that may not be written ends the process with a message
    alone; any other error keeps its traceback.

    Args:
        job: the object `snakemake` of a script.
    """
    path = job.log[0]
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=path, filemode="w", level=logging.INFO, format=FORMAT, force=True)
    except OSError as error:
        raise SystemExit(f"error: {_told(error)}" if error.errno in REMEDIES else f"error: {error}") from None
    logging.captureWarnings(True)
    try:
        yield
    except EcgpipeError as error:
        _end(str(error))
    except OSError as error:
        if error.errno in REMEDIES:
            _end(_told(error))
        logging.getLogger("ecgpipe").exception("failed")
        raise
    except Exception:
        logging.getLogger("ecgpipe").exception("failed")
        raise
    finally:
        logging.shutdown()


def _told(error: OSError) -> str:
    named = error.filename2 or error.filename
    return f"{f'{named}: ' if named else ''}cannot be written ({error.strerror}); {REMEDIES[error.errno]}"


def _end(message: str) -> NoReturn:
    logging.getLogger("ecgpipe").error("%s", message)
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1) from None
