"""What a record does in a run.

Where records are among others, by arrays: a dict of Python strings takes ten times the room.
"""

import numpy as np

ROLES = ("train", "validation", "test")


def find_rows(record_ids: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find records.

    Args:
        record_ids: (n,) strings to look for.
        given: (m,) strings to look in.

    Returns:
        (n,) the row of each in ``given``, the last one if it is there several times; (n,) whether it is there at all:
        if not, its row means nothing.
    """
    if not len(given):
        return np.zeros(len(record_ids), int), np.zeros(len(record_ids), bool)
    order = np.argsort(given, kind="stable")
    # what is smaller than all gets the place -1, the largest, which differs from it
    rows = order[np.searchsorted(given, record_ids, side="right", sorter=order) - 1]
    return rows, given[rows] == record_ids
