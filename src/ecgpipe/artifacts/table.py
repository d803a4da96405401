"""A table format: a name, an Arrow schema, a reader and an atomic writer (Parquet)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ecgpipe.artifacts.parquet import BROKEN, read_table, text_of, write_table
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class TableFormat:
    """One kind of Parquet file.

    Args:
        name: what the file is called in messages.
        schema: columns every such file has; further columns are refused.
    """

    name: str
    schema: pa.Schema

    def empty(self) -> pd.DataFrame:
        """A table with no rows."""
        return self.schema.empty_table().to_pandas()

    def write(self, rows: pd.DataFrame | list[dict], path: Path | str) -> None:
        """Write the rows; a column that is missing, unknown or of another type is an error."""
        frame = pd.DataFrame(rows, columns=self.schema.names) if isinstance(rows, list) else rows
        unknown = set(frame.columns) ^ set(self.schema.names)
        if unknown:
            raise ValueError(f"{self.name}: columns {sorted(unknown)} are missing or unknown")
        table = pa.Table.from_pandas(frame[self.schema.names], schema=self.schema, preserve_index=False)
        write_table(table.replace_schema_metadata(None), path)

    def read(
        self, path: Path | str, columns: list[str] | None = None, record_ids: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Read a file of this format.

        Args:
            path: the file.
            columns: which; None: all of the format.
            record_ids: (n,) strings, only the rows of these records, in the file's order; None: all rows.

        Raises:
            DataError: the file is missing, is no Parquet file, is damaged, or lacks a column.
        """
        table = self._read(path, columns or self.schema.names)
        if record_ids is not None:
            table = table.filter(pc.is_in(table["record_id"], value_set=pa.array(record_ids, pa.string())))
        return table.to_pandas()

    def read_text(self, path: Path | str, columns: list[str]) -> list[np.ndarray]:
        """Columns of text as arrays of fixed width, (n,) each: a few bytes a row, where Python's strings take 50.

        Raises:
            DataError: as ``read``.
        """
        table = self._read(path, columns)
        return [text_of(table[name]) for name in columns]

    def _read(self, path: Path | str, columns: list[str]) -> pa.Table:
        try:
            return read_table(path, columns)
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such {self.name} file; run the stage that makes it") from error
        except BROKEN as error:
            raise DataError(f"{path}: not a readable {self.name} file ({error}); delete it and run again") from error
