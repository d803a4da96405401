"""Division of groups of records into parts with given shares of every class.

Iterative stratification (Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10) of whole groups: a group counts with
the sum of its records' labels. Groups with equal sums are interchangeable, so most are dealt out together, in whole
quotas; the rest one by one, the rarest class first, to the part that lacks most; then single groups move while that
brings the parts nearer to their shares. Integers throughout, and the order of groups comes from a hash of the seed:
the same on any machine and with any version of any library.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

MOST_MOVES = 2000


def divide(
    targets: np.ndarray, groups: np.ndarray, keys: Sequence[str], weights: Sequence[int], seed: int
) -> np.ndarray:
    """The part of every record.

    Args:
        targets: (n, classes) of 0 and 1.
        groups: (n,) numbers; records of one group go to one part.
        keys: (n,) unique ids; with the seed they decide who goes where.
        weights: whole numbers in proportion to the parts' shares; a part with weight 0 gets nothing.
        seed: any whole number.

    Returns:
        (n,) index into ``weights``.
    """
    _, groups = np.unique(groups, return_inverse=True)
    sums = np.zeros((groups.max() + 1, targets.shape[1] + 1), np.int64)
    np.add.at(sums, groups, np.column_stack([targets, np.ones(len(targets), np.int64)]))
    signatures, signature_of = np.unique(sums, axis=0, return_inverse=True)
    members = _members(signature_of.ravel(), _hash_order(groups, keys, seed), len(signatures))
    state = _Division(signatures, members, np.asarray(weights, np.int64))
    state.deal_quotas()
    state.deal_rest()
    state.fill_empty()
    state.improve()
    part_of_group = np.empty(len(sums), np.int64)
    for part, heaps in enumerate(state.held):
        for heap in heaps.values():
            part_of_group[heap] = part
    return part_of_group[groups]


def _hash_order(groups: np.ndarray, keys: Sequence[str], seed: int) -> np.ndarray:
    """Group numbers in the order of the smallest hash among their records."""
    digests = np.array([hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:16] for key in keys])
    first = np.unique(groups[np.argsort(digests, kind="stable")], return_index=True)[1]
    return np.argsort(first, kind="stable")


def _members(signature_of: np.ndarray, order: np.ndarray, count: int) -> list[list[int]]:
    """Groups of each signature, in the given order."""
    members: list[list[int]] = [[] for _ in range(count)]
    for group in order.tolist():
        members[signature_of[group]].append(group)
    return members


class _Division:
    """Who is where, and what each part still lacks.

    Args:
        signatures: (s, classes + 1) distinct sums of labels, the last column the number of records.
        members: per signature its groups, in random order.
        weights: (parts,).
    """

    def __init__(self, signatures: np.ndarray, members: list[list[int]], weights: np.ndarray) -> None:
        self.signatures = signatures
        self.members = members
        self.weights = weights
        counts = np.array([len(groups) for groups in members], np.int64)
        self.totals = counts @ signatures
        # in units of 1 / sum(weights) records
        self.unit = int(weights.sum())
        self.lacking = weights[:, None] * self.totals[None, :]
        # a record of a rare class weighs more; the number of records least
        self.importance = 1_000_000 // np.maximum(self.totals, 1) + 1
        self.importance[-1] = self.importance[-1] // 4 + 1
        self.held: list[dict[int, list[int]]] = [{} for _ in weights]
        # groups that have a class, per part
        self.having = np.zeros_like(self.lacking)

    def give(self, part: int, signature: int, groups: list[int]) -> None:
        self.held[part].setdefault(signature, []).extend(groups)
        self.lacking[part] -= self.unit * len(groups) * self.signatures[signature]
        self.having[part] += len(groups) * (self.signatures[signature] > 0)

    def deal_quotas(self) -> None:
        """Whole quotas of each signature; what is left of it stays in ``members``."""
        for signature, groups in enumerate(self.members):
            start = 0
            for part, weight in enumerate(self.weights.tolist()):
                quota = len(groups) * weight // self.unit
                if quota:
                    self.give(part, signature, groups[start : start + quota])
                    start += quota
            self.members[signature] = groups[start:]

    def deal_rest(self) -> None:
        """The others one by one: large groups and those of rare classes first, each to the part that lacks it most."""
        rarest = [(self.totals[np.flatnonzero(row[:-1])].min(initial=self.totals[-1])) for row in self.signatures]
        order = sorted(range(len(self.members)), key=lambda i: (-int(self.signatures[i, -1]), int(rarest[i]), i))
        closed = np.where(self.weights == 0, np.iinfo(np.int64).min, 0)
        for signature in order:
            wanted = self.signatures[signature] * self.importance
            for group in self.members[signature]:
                self.give(int(np.argmax(self.lacking @ wanted + closed)), signature, [group])

    def move(self, signature: int, source: int, target: int) -> None:
        group = self.held[source][signature].pop(0)
        if not self.held[source][signature]:
            del self.held[source][signature]
        self.lacking[source] += self.unit * self.signatures[signature]
        self.having[source] -= self.signatures[signature] > 0
        self.give(target, signature, [group])

    def fill_empty(self) -> None:
        """A group of every class for every part, where there are enough."""
        for label in np.argsort(self.totals[:-1], kind="stable").tolist():
            for part in np.flatnonzero(self.weights).tolist():
                rich = int(np.argmax(self.having[:, label]))
                if not self.having[part, label] and self.having[rich, label] >= 2:
                    _, signature = self._best(rich, part, label)
                    if signature >= 0:
                        self.move(signature, rich, part)

    def improve(self) -> None:
        """Move groups from the part that has too much of a class to the one that lacks it, while that helps."""
        stuck: set[tuple[int, int]] = set()
        for _ in range(MOST_MOVES):
            # the worst deviation, in records, that is not given up
            open_ = np.where(self.weights[:, None] > 0, np.abs(self.lacking), 0)
            for part, label in stuck:
                open_[part, label] = 0
            part, label = np.unravel_index(int(open_.argmax()), open_.shape)
            if open_[part, label] <= self.unit // 2:
                return
            others = np.argsort(self.lacking[:, label], kind="stable")
            lacks = self.lacking[part, label] > 0
            partner = next(int(p) for p in (others if lacks else others[::-1]) if p != part and self.weights[p] > 0)
            source, target = (partner, int(part)) if lacks else (int(part), partner)
            gain, signature = self._best(source, target, int(label))
            if gain <= 0:
                stuck.add((int(part), int(label)))
                continue
            self.move(signature, source, target)
            stuck.clear()

    def _best(self, source: int, target: int, label: int) -> tuple[int, int]:
        """The signature with the label whose move helps most: (what the sum of weighted squared deviations falls by, it).

        No move takes the last group of a class from a part. (0, -1) if there is none.
        """
        last = self.having[source] == 1
        there = np.array(sorted(self.held[source]), np.int64)
        rows = self.signatures[there]
        there = there[(rows[:, label] > 0) & ~(rows[:, last] > 0).any(axis=1)]
        if not there.size:
            return 0, -1
        moved = self.unit * self.signatures[there]
        before = self.lacking[source] ** 2 + self.lacking[target] ** 2
        after = (self.lacking[source] + moved) ** 2 + (self.lacking[target] - moved) ** 2
        gains = ((before - after) // self.unit * self.importance).sum(axis=1)
        at = int(np.argmax(gains))
        return int(gains[at]), int(there[at])
