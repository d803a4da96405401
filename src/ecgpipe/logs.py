"""A job's log: everything that is logged or warned goes to its file, and failures are told without noise."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgpipe.errors import EcgpipeError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log to a file within the block.

    A mistake in configuration or data ends the process with its message alone; any other error keeps its traceback.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=path, filemode="w", level=logging.INFO, format=FORMAT, force=True)
    logging.captureWarnings(True)
    try:
        yield
    except EcgpipeError as error:
        logging.getLogger("ecgpipe").error("%s", error)
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception:
        logging.getLogger("ecgpipe").exception("failed")
        raise
    finally:
        logging.shutdown()
