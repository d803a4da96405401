"""Read 12-lead ECGs, digitize pages, train and test classifiers, and report whether the scores can be trusted.

The public interface (docs/library.md) is imported on first use, so that importing the package is fast:
``from ecgpipe import render_page``.
"""

import importlib
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # imported by a string: this module is in the code fingerprint of every stage, the public interface must not be
    value = importlib.import_module("ecgpipe.public").load_public(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *importlib.import_module("ecgpipe.public").PUBLIC})
