"""The base of all configuration sections.

Values as they come from the command line.
"""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


_WORDS = {"null": None, "true": True, "false": False}


def plain_values(value: Any) -> Any:
    """Text that writes a number, true, false or null -> that value, at any depth.

    Snakemake hands over what stands inside ``--config 'section={key: 500}'`` as text.
    """
    if isinstance(value, dict):
        return {key: plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _WORDS:
            return _WORDS[text]
        if re.fullmatch(r"[+-]?\d+", text):
            return int(text)
        if re.fullmatch(r"[+-]?(\d+\.\d*|\.?\d+)(e[+-]?\d+)?", text):
            return float(text)
    return value
