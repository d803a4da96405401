"""comparisons/<protocol>.json, comparisons/protocols.json and report/claims.json: what the statistics found.

Each is a JSON object with one list of rows that also stands beside it as CSV, with the columns below. Every cell that
cannot be filled is null (empty in the CSV), and ``note`` says why.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.atomic import atomic_path, write_json

COMPARISON = (
    "first", "second", "family", "metric", "test", "seeds", "records", "groups", "first_value", "second_value",
    "difference", "low", "high", "between_seeds", "first_only", "second_only", "detectable", "detectable_records", "p",
    "p_holm", "note",
)  # fmt: skip
PROTOCOL = (
    "model", "metric", "first", "second", "first_value", "second_value", "difference", "low", "high", "first_records",
    "second_records", "first_seeds", "second_seeds", "note",
)  # fmt: skip
CLAIM = (
    "id", "kind", "place", "claim", "dataset", "model", "metric", "printed", "printed_low", "printed_high", "ours",
    "low", "high", "test", "p", "finding", "by_print", "verdict", "note",
)  # fmt: skip


def write_comparisons(path: Path | str, content: dict, rows: str, columns: Sequence[str]) -> None:
    """Write the JSON file, and its rows as CSV beside it.

    Args:
        path: the JSON file.
        content: JSON object.
        rows: the key of the rows.
        columns: of the CSV file.
    """
    flat = [
        {key: " ".join(map(str, value)) if isinstance(value, list | tuple) else value for key, value in row.items()}
        for row in content[rows]
    ]
    with atomic_path(Path(path).with_suffix(".csv")) as partial:
        pd.DataFrame(flat, columns=list(columns)).to_csv(partial, index=False)
    write_json(path, content)
