"""Writing a folder from templates, each file with its placeholders filled in."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from ecgpipe.errors import ConfigError

NAME = re.compile(r"[a-z][a-z0-9_]*")


def checked_name(name: str) -> str:
    """A name that may be a data set's, a model's and a Python function's.

    Raises:
        ConfigError: it may not.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"name {name!r}: use small letters, digits and _, a letter first; set it by --name")
    return name


def new_folder(folder: Path) -> Path:
    """The folder, made if it is not there.

    Raises:
        ConfigError: something is in it already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: is there already, and is left as it is; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_template(template: str, target: Path, values: Mapping[str, str]) -> None:
    """Write a template of ``ecgpipe/cli/new`` with ``@KEY@`` replaced."""
    text = resources.files("ecgpipe.cli").joinpath("new", *template.split("/")).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    target.write_text(text, encoding="utf-8")
