"""external/<dataset>/<protocol>.parquet: logits of a run for records of another dataset."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.tables import PARQUET_ERRORS, read_table, text_array, write_table
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class ExternalLogits:
    """Logits of a model for the validation and test records of another dataset's split.

    The targets are not part of it: they are in the other dataset's labels.parquet and have other classes.

    Args:
        record_ids: (n,) strings.
        roles: (n,) strings, ``validation`` or ``test``.
        logits: (n, classes) float32.
        classes: the model's classes, in the order of the columns.
        task: the model's task, ``single`` or ``multilabel``.
    """

    record_ids: np.ndarray
    roles: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]
    task: str

    def write(self, path: Path | str) -> None:
        """Write the file atomically, with one column of logits per class."""
        columns = {"record_id": pa.array(self.record_ids.astype(str)), "role": pa.array(self.roles.astype(str))}
        columns |= {f"logit:{name}": self.logits[:, i].astype(np.float32) for i, name in enumerate(self.classes)}
        metadata = {"classes": json.dumps(self.classes), "task": self.task}
        write_table(pa.table(columns).replace_schema_metadata(metadata), path)

    @classmethod
    def read(cls, path: Path | str) -> "ExternalLogits":
        """Read a file.

        Raises:
            DataError: missing, damaged or not such a file.
        """
        try:
            table = read_table(path)
            classes = tuple(json.loads(table.schema.metadata[b"classes"]))
            return cls(
                record_ids=text_array(table["record_id"]),
                roles=text_array(table["role"]),
                logits=np.stack([table[f"logit:{name}"].to_numpy() for name in classes], axis=1),
                classes=classes,
                task=table.schema.metadata[b"task"].decode(),
            )
        except PARQUET_ERRORS as error:
            raise DataError(f"{path}: not readable logits ({error}); delete it and run again") from error
