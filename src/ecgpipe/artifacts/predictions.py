"""predictions.parquet: logits of a trained model for every validation and test record of its run."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.parquet import BROKEN, read_table, text_of, write_table
from ecgpipe.artifacts.probabilities import probabilities_of
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class Predictions:
    """What a model said.

    Args:
        record_ids: (n,) strings.
        roles: (n,) strings, ``validation`` or ``test``.
        logits: (n, classes) float32.
        targets: (n, classes) uint8.
        classes: class names, in the order of the columns.
        task: ``single`` (softmax) or ``multilabel`` (sigmoid).
    """

    record_ids: np.ndarray
    roles: np.ndarray
    logits: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    task: str

    @property
    def probabilities(self) -> np.ndarray:
        """(n, classes) float64 in [0, 1]: softmax over classes, or a sigmoid for each."""
        return probabilities_of(self.logits, self.task)

    def of_role(self, role: str) -> "Predictions":
        """Only the records of one role."""
        rows = self.roles == role
        return Predictions(
            self.record_ids[rows], self.roles[rows], self.logits[rows], self.targets[rows], self.classes, self.task
        )

    def write(self, path: Path | str) -> None:
        """Write the file atomically: one column of logits and one of targets per class."""
        columns = {"record_id": pa.array(self.record_ids.astype(str)), "role": pa.array(self.roles.astype(str))}
        columns |= {f"logit:{name}": self.logits[:, i].astype(np.float32) for i, name in enumerate(self.classes)}
        columns |= {f"target:{name}": self.targets[:, i].astype(np.uint8) for i, name in enumerate(self.classes)}
        metadata = {"classes": json.dumps(self.classes), "task": self.task}
        write_table(pa.table(columns).replace_schema_metadata(metadata), path)

    @classmethod
    def read(cls, path: Path | str) -> "Predictions":
        """Read a predictions file.

        Raises:
            DataError: missing or not a predictions file.
        """
        try:
            table = read_table(path)
            classes = tuple(json.loads(table.schema.metadata[b"classes"]))
            return cls(
                record_ids=text_of(table["record_id"]),
                roles=text_of(table["role"]),
                logits=np.stack([table[f"logit:{name}"].to_numpy() for name in classes], axis=1),
                targets=np.stack([table[f"target:{name}"].to_numpy() for name in classes], axis=1),
                classes=classes,
                task=table.schema.metadata[b"task"].decode(),
            )
        except BROKEN as error:
            raise DataError(f"{path}: not a readable predictions file ({error}); delete it and run again") from error
