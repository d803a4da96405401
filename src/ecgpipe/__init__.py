"""Paper-like ECG images from recordings, image classifiers, and an honest report on them.

The names of the public interface (docs/library.md) are attributes of this package: ``from ecgpipe import render_page``.
Each is imported when it is first used, so that importing the package costs next to nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # By its name in a string: this module is part of the code fingerprint of every stage, what it leads to must not be.
    value = importlib.import_module("ecgpipe.public").load_public(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *importlib.import_module("ecgpipe.public").PUBLIC})
