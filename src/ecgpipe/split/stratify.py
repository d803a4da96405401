"""Divide groups of records into parts that have given shares of every class.

Iterative stratification (Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10) of whole groups; the labels of a group
are the sum of its records' labels. Groups with equal sums are interchangeable, so most are assigned together, in
quotas. The rest are assigned one by one, the rarest class first, to the part that lacks it most. Then groups move or
are exchanged while this brings the parts closer to their shares. All arithmetic is in integers and the order of groups
comes from a hash of the seed, so that a split is the same on every machine and with every version of NumPy.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

MOST_MOVES = 2000
PARTNERS = 3  # parts tried for an exchange
GIVABLE, TAKABLE = 24, 256  # groups tried for an exchange, the most promising first


def divide(
    targets: np.ndarray, groups: np.ndarray, keys: Sequence[str], weights: Sequence[int], seed: int
) -> np.ndarray:
    """Assign every record to a part.

    Args:
        targets: (n, classes) of 0 and 1.
        groups: (n,) numbers; records of a group go to the same part.
        keys: (n,) unique ids; the assignment depends on them and the seed.
        weights: integers proportional to the parts' shares; a part with weight 0 gets nothing.
        seed: any integer.

    Returns:
        (n,) index into ``weights``.
    """
    _, groups = np.unique(groups, return_inverse=True)
    sums = np.zeros((groups.max() + 1, targets.shape[1] + 1), np.int64)
    np.add.at(sums, groups, np.column_stack([targets, np.ones(len(targets), np.int64)]))
    signatures, signature_of = np.unique(sums, axis=0, return_inverse=True)
    members = _members(signature_of.ravel(), _hash_order(groups, keys, seed), len(signatures))
    state = _Division(signatures, members, np.asarray(weights, np.int64))
    state.assign_quotas()
    state.assign_rest()
    state.fill_empty()
    state.improve()
    part_of_group = np.empty(len(sums), np.int64)
    for part, held in enumerate(state.held):
        for members_of_part in held.values():
            part_of_group[members_of_part] = part
    return part_of_group[groups]


def _hash_order(groups: np.ndarray, keys: Sequence[str], seed: int) -> np.ndarray:
    """Group numbers in the order of the smallest hash among their records."""
    digests = np.array([hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:16] for key in keys])
    first = np.unique(groups[np.argsort(digests, kind="stable")], return_index=True)[1]
    return np.argsort(first, kind="stable")


def _members(signature_of: np.ndarray, order: np.ndarray, count: int) -> list[list[int]]:
    """The groups of each signature, in the given order."""
    members: list[list[int]] = [[] for _ in range(count)]
    for group in order.tolist():
        members[signature_of[group]].append(group)
    return members


class _Division:
    """The groups of each part, and what each part still lacks.

    Args:
        signatures: (s, classes + 1) distinct sums of labels; the last column is the number of records.
        members: the groups of each signature, in random order.
        weights: (parts,).
    """

    def __init__(self, signatures: np.ndarray, members: list[list[int]], weights: np.ndarray) -> None:
        self.signatures = signatures
        self.members = members
        self.weights = weights
        counts = np.array([len(groups) for groups in members], np.int64)
        self.totals = counts @ signatures
        # `lacking` is in units of 1 / sum(weights) records
        self.unit = int(weights.sum())
        self.lacking = weights[:, None] * self.totals[None, :]
        # records of rare classes weigh more, the number of records least
        self.importance = 1_000_000 // np.maximum(self.totals, 1) + 1
        self.importance[-1] = self.importance[-1] // 4 + 1
        self.held: list[dict[int, list[int]]] = [{} for _ in weights]
        # number of groups with each class, per part
        self.having = np.zeros_like(self.lacking)

    def give(self, part: int, signature: int, groups: list[int]) -> None:
        self.held[part].setdefault(signature, []).extend(groups)
        self.lacking[part] -= self.unit * len(groups) * self.signatures[signature]
        self.having[part] += len(groups) * (self.signatures[signature] > 0)

    def assign_quotas(self) -> None:
        """Assign whole quotas of each signature; the remaining groups stay in ``members``."""
        for signature, groups in enumerate(self.members):
            start = 0
            for part, weight in enumerate(self.weights.tolist()):
                quota = len(groups) * weight // self.unit
                if quota:
                    self.give(part, signature, groups[start : start + quota])
                    start += quota
            self.members[signature] = groups[start:]

    def assign_rest(self) -> None:
        """Assign the remaining groups, large ones and rare classes first, each to the part that lacks it most."""
        rarest = [(self.totals[np.flatnonzero(row[:-1])].min(initial=self.totals[-1])) for row in self.signatures]
        order = sorted(range(len(self.members)), key=lambda i: (-int(self.signatures[i, -1]), int(rarest[i]), i))
        closed = np.where(self.weights == 0, np.iinfo(np.int64).min, 0)
        for signature in order:
            needs = self.signatures[signature] * self.importance
            for group in self.members[signature]:
                self.give(int(np.argmax(self.lacking @ needs + closed)), signature, [group])

    def move(self, signature: int, source: int, target: int) -> None:
        group = self.held[source][signature].pop(0)
        if not self.held[source][signature]:
            del self.held[source][signature]
        self.lacking[source] += self.unit * self.signatures[signature]
        self.having[source] -= self.signatures[signature] > 0
        self.give(target, signature, [group])

    def fill_empty(self) -> None:
        """Give every part a group of every class, if there are enough."""
        for label in np.argsort(self.totals[:-1], kind="stable").tolist():
            for part in np.flatnonzero(self.weights).tolist():
                richest = int(np.argmax(self.having[:, label]))
                if not self.having[part, label] and self.having[richest, label] >= 2:
                    _, signature = self._best_move(richest, part, label)
                    if signature >= 0:
                        self.move(signature, richest, part)

    def improve(self) -> None:
        """Move or exchange groups between a part that misses its share of a class and others, while it helps."""
        open_parts = np.flatnonzero(self.weights)
        given_up: set[tuple[int, int]] = set()
        for _ in range(MOST_MOVES):
            excess = self._excess(self.lacking)
            excess[self.weights == 0] = 0
            for part, label in given_up:
                excess[part, label] = 0
            part, label = (int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
            if excess[part, label] == 0:
                return
            others = [int(other) for other in open_parts if other != part]
            lacks = self.lacking[part, label] > 0
            # first the parts that can best spare it, or lack it most
            others.sort(key=lambda other: (self.lacking[other, label] * (1 if lacks else -1), other))
            for other in others[:PARTNERS]:
                source, target = (other, part) if lacks else (part, other)
                gain, outgoing, incoming = self._best_exchange(source, target, label)
                if gain > 0:
                    self.move(outgoing, source, target)
                    if incoming >= 0:
                        self.move(incoming, target, source)
                    given_up.clear()
                    break
            else:
                given_up.add((part, label))

    def _excess(self, lacking: np.ndarray) -> np.ndarray:
        """Squared excess of deviations over half a record; 0 for classes within half a record."""
        return np.maximum(2 * np.abs(lacking) - self.unit, 0) ** 2

    def _best_move(self, source: int, target: int, label: int) -> tuple[int, int]:
        """Gain and signature of the best move of a group with the label; (0, -1) without a possible move.

        The gain is the decrease of the weighted squared deviations. A part keeps its last group of a class.
        """
        movable = self._signatures_in(source, label)
        last = (self.having[source] == 1) & (self.totals > 0)
        movable = movable[~(self.signatures[movable][:, last] > 0).any(axis=1)]
        if not movable.size:
            return 0, -1
        gains = self._gains(movable, source, target)
        at = int(np.argmax(gains))
        return int(gains[at]), int(movable[at])

    def _best_exchange(self, source: int, target: int, label: int) -> tuple[int, int, int]:
        """Gain of the best exchange, the signature to give (with the label), and the one to take (-1: none)."""
        givable = self._signatures_in(source, label)
        if not givable.size:
            return 0, -1, -1
        gains = self._gains(givable, source, target)
        givable = givable[np.argsort(-gains, kind="stable")[:GIVABLE]]
        takable = self._signatures_in(target)
        gains = self._gains(takable, target, source)
        takable = takable[np.argsort(-gains, kind="stable")[:TAKABLE]]
        nothing = np.zeros((1, self.signatures.shape[1]), np.int64)
        back = np.concatenate([nothing, self.signatures[takable]])
        moved = self.unit * (self.signatures[givable][:, None] - back[None])  # (given, taken, classes)
        before = self._excess(self.lacking[[source, target]]).sum()
        after = self._excess(self.lacking[source] + moved) + self._excess(self.lacking[target] - moved)
        gains = before - after.sum(axis=-1)
        # each part keeps its last group of a class
        has = self.signatures > 0
        gives, takes = has[givable][:, None], np.concatenate([nothing > 0, has[takable]])[None]
        gains[((self.having[source] - gives + takes == 0) & gives).any(axis=-1)] = 0
        gains[((self.having[target] + gives - takes == 0) & takes).any(axis=-1)] = 0
        at, other = np.unravel_index(int(np.argmax(gains)), gains.shape)
        return int(gains[at, other]), int(givable[at]), int(takable[other - 1]) if other else -1

    def _signatures_in(self, part: int, label: int | None = None) -> np.ndarray:
        """Signatures of the groups in a part; only those with a label, if given."""
        signatures = np.array(sorted(self.held[part]), np.int64)
        return signatures if label is None else signatures[self.signatures[signatures, label] > 0]

    def _gains(self, signatures: np.ndarray, source: int, target: int) -> np.ndarray:
        """Decrease of the weighted squared deviations when a group of each signature moves."""
        moved = self.unit * self.signatures[signatures]
        before = self.lacking[source] ** 2 + self.lacking[target] ** 2
        after = (self.lacking[source] + moved) ** 2 + (self.lacking[target] - moved) ** 2
        return ((before - after) // self.unit * self.importance).sum(axis=1)
