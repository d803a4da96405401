"""problems: a row per record (or file) that a stage left out, and why. Shown in the report, never dropped."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat
from ecgpipe.errors import DataError, RecordError

PROBLEMS = TableFormat(
    "problems",
    pa.schema(
        [
            ("stage", pa.string()),
            ("record_id", pa.string()),
            ("file", pa.string()),
            ("problem", pa.string()),
            ("detail", pa.string()),
        ]
    ),
)

logger = logging.getLogger(__name__)


class ProblemList:
    """Collects the problems of one stage; with ``strict`` the first one stops the run."""

    def __init__(self, stage: str, strict: bool) -> None:
        self.stage = stage
        self.strict = strict
        self.rows: list[dict] = []

    def add(self, error: RecordError) -> None:
        """Note a record that is left out.

        Raises:
            DataError: in strict mode.
        """
        if self.strict:
            raise DataError(f"{error} (strict: true stops at the first broken record)") from error
        logger.warning("left out: %s", error)
        self.rows.append(
            {
                "stage": self.stage,
                "record_id": error.record,
                "file": error.file,
                "problem": error.problem,
                "detail": error.detail,
            }
        )

    def extend(self, errors: Iterable[RecordError]) -> None:
        """Note several records."""
        for error in errors:
            self.add(error)

    def write(self, path: Path | str) -> None:
        """Write the problems table, also when it is empty."""
        PROBLEMS.write(self.rows, path)
