"""The reference of all keys as Markdown, from the models: `python -m ecgpipe.config.reference > docs/config.md`."""

import types
import typing
from typing import Any

import annotated_types
from pydantic.fields import FieldInfo

from ecgpipe.config.base import Section
from ecgpipe.config.schema import Config

HEAD = """# Every key of the configuration

Made from the configuration models by `python -m ecgpipe.config.reference`; a test holds it to them.
`config.yaml` states the paper's benchmark, `config/demo.yaml` and `config/subset.yaml` what differs from it. Several
files and `--config` values are merged key by key. A wrong key or value stops the run before any job, with the key's
path, what was given and what is allowed.
"""


def reference() -> str:
    """The whole page."""
    lines = [HEAD, "| key | values | default | meaning |", "| --- | --- | --- | --- |"]
    sections = [HEAD, "## Top level", "", *lines[1:]]
    nested: list[tuple[str, type[Section]]] = []
    for name, field in Config.model_fields.items():
        inner = typing.get_args(field.annotation)[-1:]
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            nested.append((field.alias or name, field.annotation))
        elif inner and isinstance(inner[0], type) and issubclass(inner[0], Section):  # by names of the user's own
            nested.append((f"{field.alias or name}.<name>", inner[0]))
        else:
            sections.append(_row(name, field))
    for name, section in nested:
        sections += ["", f"## `{name}`", "", (section.__doc__ or "").strip(), "", *lines[1:]]
        for key, field in section.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, Section):
                sections += [_row(f"{field.alias or key}.{sub}", each) for sub, each in inner.model_fields.items()]
            else:
                sections.append(_row(field.alias or key, field))
    return "\n".join(sections) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if field.is_required():
        return f"| `{name}` | {_values(field)} | needed | {field.description} |"
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else "null" if default is None else str(default)
    shown = str(default).lower() if isinstance(default, bool) else shown
    return f"| `{name}` | {_values(field)} | `{shown}` | {field.description} |"


def _values(field: FieldInfo) -> str:
    limits = []
    for rule in field.metadata:
        for kind, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if isinstance(rule, annotated_types.BaseMetadata) and hasattr(rule, kind):
                limits.append(f"{sign} {getattr(rule, kind):g}")
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments)
    if origin is tuple:
        inner = dict.fromkeys(_type(part) for part in arguments if part is not Ellipsis)
        return f"list of {' or '.join(inner)}"
    if origin is dict:
        return "mapping"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return names.get(annotation, "mapping")


if __name__ == "__main__":
    print(reference(), end="")
