"""Layouts to compare pages with: those of the package, in templates.yaml, or those of a user's file."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ecgpipe.errors import ConfigError
from ecgpipe.reader.network import LEAD_NAMES

TEMPLATES = Path(__file__).with_suffix(".yaml")
"""The package's layouts; the file describes its format."""
STRIPS = (0.0, 0.0, 0.1, 0.3)
"""Rarity of 0, 1, 2 and 3 rhythm strips."""
BY_NAMES = 2.0
"""Rarity of a page with none of these layouts, but with one named lead in each row."""


@dataclass(frozen=True)
class Layout:
    """An arrangement of leads: ``columns[c][r]`` is the name in column c and row r; then rhythm strips."""

    name: str
    columns: tuple[tuple[str, ...], ...]
    strips: int = 0
    rarity: float = 0.0  # by how much the names must support it more than a common layout

    @property
    def rows(self) -> int:
        return len(self.columns[0]) + self.strips

    @property
    def complete(self) -> bool:
        """Whether all leads have a name."""
        return all("?" not in column for column in self.columns)

    @property
    def known(self) -> bool:
        """Whether at least half of the leads have a name."""
        names = [name for column in self.columns for name in column]
        return 2 * names.count("?") <= len(names)


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    columns: list[Annotated[list[str], Field(min_length=1, max_length=16)]] = Field(min_length=1, max_length=12)
    strips: list[Annotated[int, Field(ge=0, le=3)]] = Field([0], min_length=1)
    rarity: float = Field(0.0, ge=0)

    def layouts(self) -> list[Layout]:
        if len({len(column) for column in self.columns}) > 1:
            raise ValueError(f"{self.name}: all columns must have the same number of leads")
        if unknown := {name for column in self.columns for name in column} - set(LEAD_NAMES):
            raise ValueError(f"{self.name}: unknown leads {', '.join(sorted(unknown))}; known: {', '.join(LEAD_NAMES)}")
        columns = tuple(tuple(column) for column in self.columns)
        return [
            Layout(self.name + (f"+{count}" if count else ""), columns, count, self.rarity + STRIPS[count])
            for count in self.strips
        ]


@lru_cache(maxsize=8)
def read_templates(path: Path = TEMPLATES) -> tuple[Layout, ...]:
    """Read a file of layouts.

    Raises:
        ConfigError: the file cannot be read, or does not contain layouts.
    """
    try:
        found = TypeAdapter(list[_Template]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
        return tuple(layout for template in found for layout in template.layouts())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, ValidationError) as error:
        raise ConfigError(
            f"{path}: not a file of page layouts ({error}); see {TEMPLATES.name} of the package"
        ) from error


def named_rows(names: list[str | None]) -> Layout:
    """The layout of a page with one lead in each row, named as read; ``?`` where a name is missing or repeated."""
    once = tuple(name if name and names.count(name) == 1 else "?" for name in names)
    layout = Layout(f"{len(names)}x1 by names", (once,), 0, BY_NAMES)
    return layout if layout.known else replace(layout, name=f"{len(names)}x1 unknown")
