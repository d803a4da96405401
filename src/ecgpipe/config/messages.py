"""Messages about keys that are not valid: which key, what was given, what is allowed."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import ValidationError

from ecgpipe.config.base import Section, did_you_mean


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
