"""File formats of ``results/``, each with its reader and writer (docs/formats.md), and their shared parts."""

import numpy as np

ROLES = ("train", "validation", "test")
"""The roles of records in a run."""


def find_rows(record_ids: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find records with arrays, which take a tenth of the memory of a dict of strings.

    Args:
        record_ids: (n,) strings to find.
        given: (m,) strings to search.

    Returns:
        (n,) row of each in ``given`` (of the last one, if there are several), and (n,) bool, whether it was found. Rows
        of strings that were not found have no meaning.
    """
    if not len(given):
        return np.zeros(len(record_ids), int), np.zeros(len(record_ids), bool)
    order = np.argsort(given, kind="stable")
    # an id smaller than all others gets place -1, the largest one, which differs from it
    rows = order[np.searchsorted(given, record_ids, side="right", sorter=order) - 1]
    return rows, given[rows] == record_ids
