"""A target of fuzzing: a reader of files from elsewhere, with valid files of its kind."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecgpipe.errors import ConfigError, DataError
from tests.fuzz.damage import damaged

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of the kind of file.
        good: valid files.
        read: reads one.
        named: a message must contain one of these.
        errors: what the reader may raise.
        weight: its share of the time.
    """

    name: str
    good: list[bytes]
    read: Read
    named: tuple[str, ...]
    errors: tuple[type[Exception], ...] = (DataError, ConfigError)
    weight: float = 1

    def run(self, content: bytes) -> str:
        """Read a damaged file; returns the outcome.

        Raises:
            AssertionError: an error without the name of the file, or a very long one.
            Exception: an error that no reader should raise.
        """
        try:
            self.read(content)
        except self.errors as error:
            message = str(error)
            assert any(name in message for name in self.named), f"names nothing: {message[:300]}"
            assert len(message) < 5000, f"{len(message)} characters: {message[:300]}"
            return type(error).__name__
        return "read"

    def case(self, seed: int, number: int) -> bytes:
        """The content of a case."""
        chance = random.Random(f"{self.name} {seed} {number}")
        return damaged(chance.choice(self.good), chance)


def stored(path: Path, read: Callable[[], object]) -> Read:
    """A reader of a file: the content is written first."""

    def run(content: bytes) -> object:
        path.write_bytes(content)
        return read()

    return run


def restored(path: Path, read: Callable[[], object], good: bytes) -> Read:
    """``stored`` of a file that other targets also read."""

    def run(content: bytes) -> object:
        path.write_bytes(content)
        try:
            return read()
        finally:
            path.write_bytes(good)

    return run
