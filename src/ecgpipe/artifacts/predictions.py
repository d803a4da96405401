"""Predictions of a model, and results of statistics (comparisons/*.json, report/claims.json) as JSON and CSV."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ecgpipe.artifacts.files import atomic_path, write_json
from ecgpipe.artifacts.model_folder import probabilities_of
from ecgpipe.artifacts.tables import PARQUET_ERRORS, read_table, text_array, write_table
from ecgpipe.errors import DataError, one_line

PER_RECORD = ("record_ids", "roles", "logits", "targets")
"""The arrays of Predictions with a row for each record."""


@dataclass(frozen=True)
class Predictions:
    """predictions.parquet: logits of a model for the validation and test records of its run.

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

    def select(self, rows: np.ndarray) -> "Predictions":
        """Only these rows, given as a mask or as indices, in their order."""
        arrays = {name: getattr(self, name)[rows] for name in PER_RECORD}
        return Predictions(**arrays, classes=self.classes, task=self.task)

    def of_role(self, role: str) -> "Predictions":
        """Only the records of one role."""
        return self.select(self.roles == role)

    @property
    def reported_role(self) -> str:
        """``test`` where the protocol has a test set, else ``validation`` (the paper's protocol)."""
        return "test" if (self.roles == "test").any() else "validation"

    def reported(self) -> "Predictions":
        """Only the records that are scored."""
        return self.of_role(self.reported_role)

    @classmethod
    def joined(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """Concatenate at least one part; all must have the same classes and task."""
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_RECORD}
        return cls(**arrays, classes=parts[0].classes, task=parts[0].task)

    def write(self, path: Path | str) -> None:
        """Write the file atomically, with one column of logits and one of targets per class."""
        table = _logit_table(self)
        for i, name in enumerate(self.classes):
            table = table.append_column(f"target:{name}", pa.array(self.targets[:, i], pa.uint8()))
        write_table(table, path)

    @classmethod
    def read(cls, path: Path | str) -> "Predictions":
        """Read a predictions file.

        Raises:
            DataError: missing, damaged or not a predictions file.
        """
        try:
            table = read_table(path)
            logits = _read_logits(table)
            targets = np.stack([table[f"target:{name}"].to_numpy() for name in logits["classes"]], axis=1)
            return cls(targets=targets, **logits)
        except PARQUET_ERRORS as error:
            raise DataError(
                f"{path}: not a readable predictions file ({one_line(error)}); delete it and run again"
            ) from error


@dataclass(frozen=True)
class ExternalLogits:
    """external/<dataset>/<protocol>.parquet: logits of a run for the validation and test records of another dataset.

    Targets are not included: they are in the other dataset's labels.parquet and have other classes.

    Args:
        record_ids, roles, logits, classes, task: as for ``Predictions``; classes and task of the model.
    """

    record_ids: np.ndarray
    roles: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]
    task: str

    def write(self, path: Path | str) -> None:
        """Write the file atomically, with one column of logits per class."""
        write_table(_logit_table(self), path)

    @classmethod
    def read(cls, path: Path | str) -> "ExternalLogits":
        """Read a file.

        Raises:
            DataError: missing, damaged or not such a file.
        """
        try:
            return cls(**_read_logits(read_table(path)))
        except PARQUET_ERRORS as error:
            raise DataError(f"{path}: not readable logits ({one_line(error)}); delete it and run again") from error


def _logit_table(one: Predictions | ExternalLogits) -> pa.Table:
    """The columns that both formats have."""
    columns = {"record_id": pa.array(one.record_ids.astype(str)), "role": pa.array(one.roles.astype(str))}
    columns |= {f"logit:{name}": pa.array(one.logits[:, i], pa.float32()) for i, name in enumerate(one.classes)}
    return pa.table(columns, metadata={"classes": json.dumps(one.classes), "task": one.task})


def _read_logits(table: pa.Table) -> dict[str, Any]:
    classes = tuple(json.loads(table.schema.metadata[b"classes"]))
    return {
        "record_ids": text_array(table["record_id"]),
        "roles": text_array(table["role"]),
        "logits": np.stack([table[f"logit:{name}"].to_numpy() for name in classes], axis=1),
        "classes": classes,
        "task": table.schema.metadata[b"task"].decode(),
    }


COMPARISON_COLUMNS = (
    "first", "second", "family", "metric", "test", "seeds", "records", "groups", "first_value", "second_value",
    "difference", "low", "high", "between_seeds", "first_only", "second_only", "detectable", "detectable_records", "p",
    "p_holm", "note",
)  # fmt: skip
PROTOCOL_COLUMNS = (
    "model", "metric", "first", "second", "first_value", "second_value", "difference", "low", "high", "first_records",
    "second_records", "first_seeds", "second_seeds", "note",
)  # fmt: skip
CLAIM_COLUMNS = (
    "id", "kind", "place", "claim", "dataset", "model", "metric", "printed", "printed_low", "printed_high", "ours",
    "low", "high", "test", "p", "finding", "by_print", "verdict", "note",
)  # fmt: skip


def write_comparisons(path: Path | str, content: dict, rows: str, columns: Sequence[str]) -> None:
    """Write a JSON file, and its rows also as a CSV file beside it. Undefined cells are null, with a note.

    Args:
        path: the JSON file.
        content: JSON object.
        rows: the key of its list of rows.
        columns: columns of the CSV file.
    """
    with atomic_path(Path(path).with_suffix(".csv")) as partial:
        flat_table(content[rows], columns).to_csv(partial, index=False)
    write_json(path, content)


def flat_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of a JSON file as a table; lists become words."""
    flat = [
        {key: " ".join(map(str, value)) if isinstance(value, list | tuple) else value for key, value in row.items()}
        for row in rows
    ]
    return pd.DataFrame(flat, columns=list(columns))
