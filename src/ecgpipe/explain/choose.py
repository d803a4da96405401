"""Which records are explained: the same ones for every model, so that pictures can be compared."""

import hashlib

import numpy as np


def choose_records(record_ids: np.ndarray, targets: np.ndarray, per_class: int, seed: int) -> list[tuple[int, int]]:
    """Some records of each class.

    The choice depends on ids, targets and seed, never on a model.

    Args:
        record_ids: (n,) candidates.
        targets: (n, classes) 0/1.
        per_class: how many of each class, if there are so many.
        seed: of the choice.

    Returns:
        (position, class) pairs, class by class; records of that class alone come first.
    """
    place = [hashlib.sha256(f"{seed}:{record_id}".encode()).hexdigest() for record_id in record_ids]
    chosen = []
    for label in range(targets.shape[1]):
        members = np.flatnonzero(targets[:, label])
        ordered = sorted(members, key=lambda i: (targets[i].sum(), place[i]))
        chosen += [(int(position), label) for position in ordered[:per_class]]
    return chosen
