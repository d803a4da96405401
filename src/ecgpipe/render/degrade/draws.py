"""What happens to one record's page: the kinds that were drawn, and how strong."""

import hashlib

import numpy as np

from ecgpipe.config.degrade import KINDS, DegradeConfig


def generator(seed: int, record_id: str, kind: str) -> np.random.Generator:
    """The random numbers of one kind on one record's page; no other record, kind or order has a part in them."""
    digest = hashlib.sha256(f"{seed}/{record_id}/{kind}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


class Draws:
    """The choices for one record.

    Attributes:
        strength: {kind: strength} of the kinds that happen.
    """

    def __init__(self, config: DegradeConfig, record_id: str) -> None:
        self.strength: dict[str, float] = {}
        self._generators: dict[str, np.random.Generator] = {}
        for kind in KINDS:
            chance, rng = config.chance(kind), generator(config.seed, record_id, kind)
            happens, strength = rng.random() < chance.probability, rng.uniform(*chance.range)
            self._generators[kind] = rng
            if happens:
                self.strength[kind] = float(strength)

    def rng(self, kind: str) -> np.random.Generator:
        return self._generators[kind]

    def get(self, kind: str) -> float:
        """The strength of a kind whose 0 does nothing."""
        return self.strength.get(kind, 0.0)

    def count(self, kind: str) -> int:
        return round(self.get(kind))
