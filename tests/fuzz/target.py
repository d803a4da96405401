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
        change: makes a case from a valid file.
    """

    name: str
    good: list[bytes]
    read: Read
    named: tuple[str, ...]
    errors: tuple[type[Exception], ...] = (DataError, ConfigError)
    weight: float = 1
    change: Callable[[bytes, random.Random], bytes] = damaged

    def run(self, content: bytes) -> str:
        """Read a damaged file; returns the outcome.

        Raises:
            AssertionError: an error without the name of the file, or a very long one; or the content was executed.
            Exception: an error that no reader should raise.
        """
        outcome = "read"
        try:
            self.read(content)
        except self.errors as error:
            message, outcome = str(error), type(error).__name__
            assert any(name in message for name in self.named), f"names nothing: {message[:300]}"
            assert len(message) < 5000, f"{len(message)} characters: {message[:300]}"
        assert not Path("owned").exists()  # which some of damage.WORDS would make
        return outcome

    def case(self, seed: int, number: int) -> bytes:
        """The content of a case."""
        chance = random.Random(f"{self.name} {seed} {number}")
        return self.change(chance.choice(self.good), chance)


def stored(path: Path, read: Callable[[], object], good: bytes | None = None) -> Read:
    """A reader of a file: the content is written first, and ``good`` afterwards, if other targets also read the file.

    The reader may write nothing beside it.
    """

    def run(content: bytes) -> object:
        path.write_bytes(content)
        before = set(path.parent.iterdir())
        try:
            return read()
        finally:
            assert set(path.parent.iterdir()) == before
            if good is not None:
                path.write_bytes(good)

    return run
