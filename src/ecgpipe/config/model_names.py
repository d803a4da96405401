"""Which model names exist, told without importing PyTorch."""

import difflib
import importlib.util
import re
from pathlib import Path

from ecgpipe.config.models import VARIANTS


def unknown_model(name: str) -> str | None:
    """What is wrong with a model name, or None: a variant of ours, or a function in timm's model files.

    Without timm (on a machine that only plans) any other name passes; the training then says what it thinks of it.
    """
    if name in VARIANTS:
        return None
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return None
    known = set()
    for file in (Path(spec.submodule_search_locations[0]) / "models").glob("*.py"):
        known |= set(re.findall(r"^@register_model\ndef (\w+)\(", file.read_text(encoding="utf-8"), re.M))
    if name.partition(".")[0] in known:
        return None
    close = difflib.get_close_matches(name, [*VARIANTS, *known], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"no such model; {hint}allowed are {', '.join(VARIANTS)}, and any name of timm's; given: {name!r}"
