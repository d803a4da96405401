"""The log of a job: messages and warnings go to its file, and expected errors are one line without a traceback."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ecgpipe.artifacts.files import write_checksums
from ecgpipe.errors import EcgpipeError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
REMEDIES = {
    errno.ENOSPC: "free disk space and run again",
    errno.EDQUOT: "free space within your quota and run again",
    errno.EROFS: "the file system is mounted read-only; have it changed and run again",
    errno.EACCES: "check the permissions of the file and its folder, and run again",
    errno.EPERM: "check the permissions and attributes of the file and its folder, and run again",
}


@contextmanager
def job_log(job: Any, *, checksums: bool = True) -> Iterator[None]:
    """Log to the job's file within the block, then write the checksums of its outputs.

    An error in configuration or data, a full disk or a read-only place ends the process with a message only; any other
    error keeps its traceback.

    Args:
        job: the object `snakemake` of a script.
        checksums: whether to write checksums.
    """
    path = job.log[0]
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=path, filemode="w", level=logging.INFO, format=FORMAT, force=True)
    except OSError as error:
        raise SystemExit(f"error: {_explain(error)}" if error.errno in REMEDIES else f"error: {error}") from None
    logging.captureWarnings(True)
    try:
        yield
        if checksums:
            write_checksums(job.output)
    except EcgpipeError as error:
        _end(str(error))
    except OSError as error:
        if error.errno in REMEDIES:
            _end(_explain(error))
        logging.getLogger("ecgpipe").exception("failed")
        raise
    except Exception:
        logging.getLogger("ecgpipe").exception("failed")
        raise
    finally:
        logging.shutdown()


def _explain(error: OSError) -> str:
    named = error.filename2 or error.filename
    action = "read or written" if error.errno in (errno.EACCES, errno.EPERM) else "written"
    return f"{f'{named}: ' if named else ''}cannot be {action} ({error.strerror}); {REMEDIES[error.errno]}"


def _end(message: str) -> NoReturn:
    logging.getLogger("ecgpipe").error("%s", message)
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1) from None
