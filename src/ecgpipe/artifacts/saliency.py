"""Saliency maps of a run, simulated findings on pages, and how well they agree: saliency.npz and two tables."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.files import read_arrays, write_arrays
from ecgpipe.artifacts.tables import TableFormat

MAP_SIDE = 160
"""Largest side of a stored map, pixels: stride 4 of a 640 pixel input, the finest of the models here."""
HEAT_COLOUR = (213, 94, 0)
"""RGB of the saliency overlay, which multiplies the page; its opacity is the saliency. A single hue of varying strength
reads the same in print and for colour-blind readers."""


@dataclass(frozen=True)
class Saliency:
    """saliency.npz: the maps of one run.

    Args:
        record_ids: (n,) strings.
        labels: (n,) class numbers that the maps explain.
        roles: (n,) index into ROLES: what the record was in this run.
        drawn: (n,) bool: also shown as a picture.
        probabilities: (n, classes).
        methods: names of saliency methods, the one of the pictures first.
        maps: (methods, n, s, s) in [0, 1]; row 0 is the top of the model's input.
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
        write_arrays(
            path,
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
            DataError: missing or damaged.
        """
        values = read_arrays(path, [field.name for field in fields(cls)])
        methods = tuple(map(str, values.pop("methods")))
        return cls(**values | {"methods": methods, "maps": values["maps"].astype(np.float32)})


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
"""findings/<shard>.parquet: one row per simulated finding, lead and interval of samples that shows it. ``x`` and ``y``
are the points of these samples, as fractions of the page's width and height."""

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
"""saliency.parquet: one row per record and measure. ``maps``: trained, randomised or a step of the cascade;
``resolution``: raw or common; ``chance``: the value of an uninformative map, NaN where it has no meaning."""
