"""All keys as Markdown, and the JSON schema for editors, made from the configuration models.

``python -m ecgpipe.config.reference > docs/config.md``
``python -m ecgpipe.config.reference --schema > config/schema.json``
"""

import json
import sys
import types
import typing
from typing import Any

import annotated_types
from pydantic.fields import FieldInfo

from ecgpipe.config.base import Section
from ecgpipe.config.benchmark import Benchmark, DatasetRuns, ExternalConfig
from ecgpipe.config.schema import Config

HEAD = """# All configuration keys

`python -m ecgpipe.config.reference` generates this page from the configuration models; a test compares them.
`config.yaml` states the paper's benchmark; the files in `config/` contain only what differs from it. Snakemake merges
several configuration files, and `--config` values, key by key. A wrong key or value stops the run before any job; the
message names the key, the value and what is allowed. Editors with YAML support check and complete keys with
`config/schema.json`.
"""
TABLE = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]


def reference() -> str:
    """The whole page."""
    top, sections = [HEAD, "## Top level", "", *TABLE], []
    for name, field in Config.model_fields.items():
        section, key = _section_of(field.annotation), field.alias or name
        if section is Benchmark:
            sections += _table(f"{key}.<dataset>", DatasetRuns)
            sections += _table(f"{key}.external[]", ExternalConfig)
        elif section is not None:
            sections += _table(key if section is field.annotation else f"{key}.<name>", section)
        else:
            top.append(_row(key, field))
    return "\n".join([*top, *sections]) + "\n"


def schema() -> str:
    """The JSON schema, indented."""
    content = Config.model_json_schema(by_alias=True)
    content["title"] = "Configuration of ecgpipe"
    for key, section in (("variants", "ModelConfig"), ("recipes", "TrainConfig")):
        content["properties"][key]["additionalProperties"] = {"$ref": f"#/$defs/{section}"}
    return json.dumps(content, indent=1, ensure_ascii=False)


def _section_of(annotation: Any) -> type[Section] | None:
    """The section type of a key, or of a mapping's values."""
    for candidate in (annotation, *typing.get_args(annotation)[-1:]):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _table(title: str, section: type[Section]) -> list[str]:
    lines = ["", f"## `{title}`", "", (section.__doc__ or "").strip(), "", *TABLE]
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            lines += [_row(f"{name}.{sub}", each) for sub, each in inner.model_fields.items()]
        else:
            lines.append(_row(field.alias or name, field))
    return lines


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if field.is_required():
        shown = "required"
    elif isinstance(default, tuple):
        shown = f"`{', '.join(map(str, default)) or '[]'}`"
    else:
        shown = f"`{json.dumps(default) if default is None or isinstance(default, bool) else default}`"
    return f"| `{name}` | {_values(field)} | {shown} | {field.description} |"


def _values(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(rule, kind):g}"
        for rule in field.metadata
        for kind, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if isinstance(rule, annotated_types.BaseMetadata) and hasattr(rule, kind)
    ]
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
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return names.get(annotation, "mapping")


if __name__ == "__main__":
    print(schema() if "--schema" in sys.argv else reference().rstrip("\n"))
