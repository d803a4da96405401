"""saliency.npz, findings/<shard>.parquet, saliency.parquet: where models look, where they should, how well it fits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.files import NPZ_ERRORS, atomic_path
from ecgpipe.artifacts.tables import TableFormat
from ecgpipe.errors import DataError

MAP_SIDE = 160
"""Pixels a side that maps are stored with at most: stride 4 of a 640 pixel input, the finest of any model here."""


@dataclass(frozen=True)
class Saliency:
    """The maps of one run.

    Args:
        record_ids: (n,) strings.
        labels: (n,) class numbers: what each map is for.
        roles: (n,) index into ROLES: what the record was in this run.
        drawn: (n,) bool: shown as a picture, too.
        probabilities: (n, classes).
        methods: names of saliency methods, the drawn one first.
        maps: (methods, n, s, s) in [0, 1]; row 0 is the top of what the model saw.
    """

    record_ids: np.ndarray
    labels: np.ndarray
    roles: np.ndarray
    drawn: np.ndarray
    probabilities: np.ndarray
    methods: tuple[str, ...]
    maps: np.ndarray

    def write(self, path: Path | str) -> None:
        """Write the file atomically; maps as float16."""
        with atomic_path(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(
                file,
                record_ids=self.record_ids.astype(str),
                labels=self.labels.astype(np.int64),
                roles=self.roles.astype(np.int8),
                drawn=self.drawn.astype(bool),
                probabilities=self.probabilities.astype(np.float32),
                methods=np.array(self.methods, dtype=str),
                maps=self.maps.astype(np.float16),
            )

    @classmethod
    def read(cls, path: Path | str) -> "Saliency":
        """Read a file of maps.

        Raises:
            DataError: missing or broken.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in cls.__annotations__}
        except NPZ_ERRORS as error:
            raise DataError(
                f"{path}: not a readable file of saliency maps ({error}); delete it and run again"
            ) from error
        values["methods"] = tuple(map(str, values["methods"]))
        values["maps"] = values["maps"].astype(np.float32)
        return cls(**values)


FINDINGS = TableFormat(
    "findings",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("code", pa.string()),
            ("superclass", pa.string()),
            ("lead", pa.string()),
            ("x", pa.list_(pa.float32())),
            ("y", pa.list_(pa.float32())),
        ]
    ),
)
"""A row per simulated finding, lead and stretch of samples that carries it: their points, as shares of the page's width
and height."""

MEASURES = TableFormat(
    "saliency measures",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("class", pa.string()),
            ("method", pa.string()),
            ("maps", pa.string()),
            ("resolution", pa.string()),
            ("measure", pa.string()),
            ("value", pa.float64()),
            ("chance", pa.float64()),
        ]
    ),
)
"""A row per record and measure. ``maps``: trained, randomised or a step of the cascade; ``resolution``: raw or common;
``chance``: what a map that knows nothing reaches, NaN where that has no meaning."""
