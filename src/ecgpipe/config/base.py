"""The base of all configuration sections, values from the command line, and hints for misspelt names."""

import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Seed = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, and values are constant."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def check_unique(values: Sequence[Any], *, prefix: str = "") -> Sequence[Any]:
    """Return the values, for use as a validator; ValueError if one occurs twice."""
    twice = [str(value) for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{prefix}{', '.join(twice)} occurs twice; remove one")
    return values


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` applied key by key, as Snakemake merges configuration files."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


def command_line_values(arguments: Sequence[str]) -> dict[str, Any]:
    """Values of ``--config name=value ...``, read as YAML.

    Snakemake reads every value inside braces as text, quoted or not.
    """
    import yaml  # not needed by training

    values: dict[str, Any] = {}
    for argument in arguments:
        key, _, text = argument.partition("=")
        try:
            values = merge(values, {key: yaml.safe_load(text)})
        except yaml.YAMLError:
            values[key] = text
    return values


def yaml_number(value: Any) -> Any:
    """The number in a text like ``1e-3``, which YAML 1.1 does not read as a number; other values unchanged."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value) else value


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``did you mean X? `` for the most similar known name; empty if none is similar."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}? " if close else ""
