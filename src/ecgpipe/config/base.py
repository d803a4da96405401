"""The base of all configuration sections, values from the command line, and messages about invalid keys."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

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


def check_section(make: Callable[[], Any], section: type[Section], prefix: str) -> None:
    """Raise ValueError with one message per error if a section cannot be made."""
    try:
        make()
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, section, prefix))) from None


def explain(error: ValidationError, top: type[Section], prefix: str = "") -> Iterator[str]:
    """One line per problem, which says what to do."""
    for problem in error.errors():
        path = (prefix + ".".join(str(part) for part in problem["loc"])).rstrip(".: ")  # no key: the whole section
        if problem["type"] == "extra_forbidden":
            known = _keys_at(problem["loc"][:-1], top)
            hint = did_you_mean(str(problem["loc"][-1]), known)
            yield f"{path}: unknown key; {hint}allowed here: {', '.join(known)}"
        elif problem["type"] == "value_error":
            yield f"{path}: {problem['ctx']['error']}" if path else str(problem["ctx"]["error"])
        else:
            yield f"{path}: {problem['msg']}; given: {problem['input']!r}"


def _keys_at(location: tuple, top: type[Section]) -> list[str]:
    """The keys of the section at a location."""
    section: Any = top
    for part in location:
        if arguments := get_args(section):  # a mapping whose keys the user names
            section = next(part for part in reversed(arguments) if part is not Ellipsis)
            continue
        fields = getattr(section, "model_fields", {})
        field = next((f for name, f in fields.items() if part in (name, f.alias)), None)
        extra = get_args(getattr(section, "__annotations__", {}).get("__pydantic_extra__"))  # keys that the user names
        section = field.annotation if field else extra[-1] if extra else None
    section = next((part for part in (section, *get_args(section)) if hasattr(part, "model_fields")), None)
    return [field.alias or name for name, field in section.model_fields.items()] if section else []
