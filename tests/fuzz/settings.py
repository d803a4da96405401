"""Targets: settings, and saved models."""

import json
import math
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import yaml

from benchmarks.serve_load import tiny_model
from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, RecordError
from ecgpipe.predict import load_predictor
from ecgpipe.reader.templates import TEMPLATES, read_templates
from ecgpipe.render.kit import read_kit_page
from ecgpipe.render.layout import kit_layout, layout_named
from tests.conftest import PROJECT
from tests.fuzz.damage import WORDS, damaged
from tests.fuzz.target import Target, stored


def setting_targets(folder: Path) -> Iterator[Target]:
    """Configurations, layouts, and the JSON of ECG-Image-Kit."""

    def validated(content: bytes) -> None:
        try:
            values = yaml.safe_load(content)
        except (yaml.YAMLError, ValueError):
            return
        if isinstance(values, dict):
            validate_config(values)

    files = [(PROJECT / name).read_bytes() for name in ("config.yaml", "config/demo.yaml", "config/subset.yaml")]
    for kind, change in (("", damaged), (", any values", any_values)):
        named = ("the configuration is not valid:\n  ",)
        yield Target(f"configuration{kind}", files, validated, named, (ConfigError,), change=change)

    layout = kit_layout().model_dump(mode="json")
    small = layout | {"slots": layout["slots"][:2], "separators": [], "bars": layout["bars"][:1]}
    for suffix, good in (("json", json.dumps(small, indent=1)), ("yaml", yaml.safe_dump(small))):
        path = folder / f"layout.{suffix}"
        read = stored(path, partial(layout_named, str(path)))
        yield Target(f"layout {suffix}", [good.encode()], read, (str(path),))

    path = folder / "templates.yaml"
    good = TEMPLATES.read_bytes()
    yield Target("layouts of the page reader", [good], stored(path, partial(read_templates, path)), (str(path),))

    for part in ("default", "augmented"):
        file = folder / f"{part}-0.json"
        (folder / f"{part}-0.png").write_bytes((PROJECT / "tests/render/kit_run/page.png").read_bytes())
        content = (PROJECT / f"tests/render/kit_run/{part}.json").read_bytes()
        read = stored(file, partial(read_kit_page, file, "x"))
        yield Target(f"kit's JSON, {part}", [content], read, (str(file),), (RecordError,))


def any_values(content: bytes, chance: random.Random) -> bytes:
    """A configuration with any values at one to three keys, some of them unknown."""
    values = yaml.safe_load(content)
    for _ in range(chance.randint(1, 3)):
        *above, last = chance.choice(list(_places(values)))
        node = values
        for key in above:
            node = node[key]
        node[last if chance.random() < 0.5 else chance.choice(WORDS)] = _value(chance)
    return yaml.safe_dump(values, sort_keys=False).encode()


def _places(node: object, path: tuple = ()) -> Iterator[tuple]:
    """Paths of the values in a nested mapping."""
    for key in node if isinstance(node, dict) else ():
        yield (*path, key)
        yield from _places(node[key], (*path, key))


def _value(chance: random.Random, depth: int = 2) -> object:
    kind = chance.randrange(6 if depth else 3)
    if kind < 3:
        return chance.choice((chance.choice(WORDS), None, True, False, 0, -1, 0.5, 10**20, math.inf, math.nan))
    inside = [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return inside if kind == 3 else {chance.choice(WORDS): value for value in inside}


def model_targets(folder: Path) -> Iterator[Target]:
    """The files of a saved signal model."""
    torch.set_num_threads(1)
    model = tiny_model(folder / "model")
    # without the list, whose checksums show every change
    (model / "SHA256SUMS.txt").unlink()
    for file in sorted(path for path in model.iterdir() if path.suffix in (".json", ".safetensors")):
        good = file.read_bytes()
        load = partial(read_saved, model) if file.suffix == ".json" else partial(load_predictor, model, threads=1)
        yield Target(f"model's {file.name}", [good], stored(file, load, good), (str(model), file.name))
