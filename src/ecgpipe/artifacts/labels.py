"""labels.parquet: multi-hot targets per record, with the class names and the task in the file's metadata.

labels.dropped.parquet: the records without a target, the reason, and the classes (JSON list) that they would have had.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.lookup import rows_of
from ecgpipe.artifacts.parquet import BROKEN, read_table, text_of, write_table
from ecgpipe.artifacts.table import TableFormat
from ecgpipe.errors import DataError

DROPPED = TableFormat(
    "dropped records", pa.schema([("record_id", pa.string()), ("reason", pa.string()), ("classes", pa.string())])
)


@dataclass(frozen=True)
class Labels:
    """Targets of a data set under one label policy.

    Args:
        record_ids: (n,) strings.
        targets: (n, classes) uint8 of 0 and 1; one-hot when the task is ``single``.
        classes: class names, in the order of the columns.
        policy: the label policy that made them.
    """

    record_ids: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    policy: str

    @property
    def task(self) -> str:
        """``multilabel`` or ``single`` (exactly one class per record)."""
        return "multilabel" if self.policy == "multilabel" else "single"

    def of_records(self, record_ids: np.ndarray) -> np.ndarray:
        """(n, classes) uint8, the targets of some records in their order.

        Raises:
            DataError: a record has none.
        """
        rows, found = rows_of(record_ids, self.record_ids)
        if not found.all():
            missing = record_ids[~found]
            raise DataError(f"{len(missing)} records have no label, {missing[0]} first; make labels and splits again")
        return self.targets[rows]

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        columns = {"record_id": pa.array(self.record_ids.astype(str), pa.string())}
        columns |= {name: pa.array(self.targets[:, i], pa.uint8()) for i, name in enumerate(self.classes)}
        metadata = {"classes": json.dumps(self.classes), "policy": self.policy}
        write_table(pa.table(columns).replace_schema_metadata(metadata), path)

    @classmethod
    def read(cls, path: Path | str) -> "Labels":
        """Read a labels file.

        Raises:
            DataError: missing or not a labels file.
        """
        try:
            table = read_table(path)
            classes = tuple(json.loads(table.schema.metadata[b"classes"]))
            return cls(
                record_ids=text_of(table["record_id"]),
                targets=np.stack([table[name].to_numpy() for name in classes], axis=1),
                classes=classes,
                policy=table.schema.metadata[b"policy"].decode(),
            )
        except BROKEN as error:
            raise DataError(f"{path}: not a readable labels file ({error}); delete it and run again") from error
