"""What the audit keeps of a record, whatever it is made of."""

from typing import NamedTuple

import numpy as np


class Sketch(NamedTuple):
    """What is kept of one record.

    ``sketch`` is int8 (n,), to search with; ``detail`` int8 (rows, columns), to decide with; ``form`` what most records
    of a data set have in common; ``anomalies`` pairs of kind and detail.
    """

    digest: str
    form: dict[str, str]
    anomalies: list[tuple[str, str]]
    sketch: np.ndarray
    detail: np.ndarray
