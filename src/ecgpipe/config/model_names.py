"""Which model names exist, told without importing PyTorch."""

import difflib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecgpipe.config.models import VARIANTS

REGISTERED = re.compile(r"^@(?:timm\.models\.)?register_model\s*\ndef (\w+)\(", re.M)


def plugin_models(values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the models that the plugin files of a configuration register, told without running them.

    Args:
        values: the configuration as read from YAML, not yet validated.
    """
    variants = values.get("variants")
    sections = [values.get("model"), *(variants.values() if isinstance(variants, Mapping) else ())]
    named = [section.get("plugin") for section in sections if isinstance(section, Mapping)]
    found: set[str] = set()
    for file in named:
        if isinstance(file, str):
            with suppress(OSError, ValueError):  # said later, with the key (Config._plugins_exist)
                found |= set(REGISTERED.findall(Path(file).read_text(encoding="utf-8", errors="replace")))
    return frozenset(found)


def unknown_model(name: str, own: Iterable[str] = ()) -> str | None:
    """What is wrong with a model name, or None: a variant of ours, one of ``own``, or a function in timm's model files.

    Without timm (on a machine that only plans) any other name passes; the training then says what it thinks of it.
    """
    own = set(own)
    if name in VARIANTS or name in own:
        return None
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return None
    known = set()
    for file in (Path(spec.submodule_search_locations[0]) / "models").glob("*.py"):
        known |= set(REGISTERED.findall(file.read_text(encoding="utf-8")))
    if name.partition(".")[0] in known:
        return None
    close = difflib.get_close_matches(name, [*VARIANTS, *own, *known], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    allowed = ", ".join([*VARIANTS, *sorted(own)])
    return f"no such model; {hint}allowed are {allowed}, and any name of timm's; given: {name!r}"
