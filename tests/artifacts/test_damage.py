"""A flipped bit or a cut in an intermediate file is told by its reader, or changes nothing that is read."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from ecgpipe.artifacts.baselines import SIGNALS_SHAPE, BaselineFeatures, BaselineSignals
from ecgpipe.artifacts.check import verify
from ecgpipe.artifacts.files import CHECKSUM, read_json, write_json, write_text
from ecgpipe.artifacts.images import open_images, pack, write_images
from ecgpipe.artifacts.pages import StoredPage, read_pages, write_pages
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.runs import HISTORY_FILE, SUMMARY_FILE, RunConfig, RunIndex, check_history
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.artifacts.tables import DROPPED, Labels
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError
from ecgpipe.models.weights import read_weights, write_weights

IDS, TARGETS = np.array(["a", "b", "c"]), np.eye(3, dtype=np.uint8)
RNG = np.random.default_rng(0)
RUN = RunConfig(
    dataset="d", protocol="paper", variant="swin", seed=0, classes=("x", "y"), task="single", images=("i.npy",),
    model=ModelConfig(), train=TrainConfig(),
)  # fmt: skip
MAPS = (IDS, np.arange(3), np.zeros(3), np.ones(3), RNG.random((3, 3)), ("gradcam",), RNG.random((1, 3, 4, 4)))
FEATURES = (IDS, *(RNG.integers(0, 9, (3, 4, 4)).astype(np.uint8) for _ in range(2)), TARGETS, np.ones((3, 2), "f4"))


WHOLE = ".parquet"
"""Of this kind `ecgpipe check` also sees what no reader looks at."""


def plain(value: object) -> object:
    """Something that can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "__dict__") and not isinstance(value, RunConfig):
        return {name: plain(inner) for name, inner in vars(value).items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


FORMATS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "labels.parquet": (Labels(IDS, TARGETS, ("x", "y", "z"), "single").write, Labels.read),
    "predictions.parquet": (
        Predictions(IDS, np.full(3, "test"), RNG.random((3, 3)), TARGETS, ("x", "y", "z"), "single").write,
        Predictions.read,
    ),
    "labels.dropped.parquet": (
        lambda path: DROPPED.write([{"record_id": "a", "reason": "b", "classes": "[]"}], path),
        lambda path: DROPPED.read(path).to_dict("records"),
    ),
    "pages/00000.parquet": (
        lambda path: write_pages([StoredPage(name, RNG.bytes(50), "{}") for name in "abc"], path),
        lambda path: list(read_pages(path)),
    ),
    "images/00000.npy": (
        lambda path: write_images([pack(RNG.random((16, 16)) < 0.5) for _ in IDS], 16, path),
        lambda path: np.array(open_images(path)),
    ),
    "run_index.npz": (
        lambda path: RunIndex(IDS, np.zeros(3), np.zeros(3), np.arange(3), TARGETS).write(path.parent),
        lambda path: RunIndex.read(path.parent),
    ),
    "saliency.npz": (Saliency(*MAPS).write, Saliency.read),
    "baselines/00000.signals.npz": (
        BaselineSignals(IDS, RNG.random((3, *SIGNALS_SHAPE))).write,
        lambda path: BaselineSignals.read([path]),
    ),
    "baselines/00000.npz": (BaselineFeatures(*FEATURES).write, lambda path: BaselineFeatures.read([path], "pages")),
    "metrics.json": (lambda path: write_json(path, {"a": 1.5, "b": {1: [None, "é"]}}), read_json),
    "run.json": (lambda path: RUN.write(path.parent), lambda path: RunConfig.read(path.parent)),
}


@pytest.mark.parametrize("name", [*FORMATS, "weights.safetensors"])
def test_a_flipped_bit_or_a_cut_is_told_or_changes_nothing(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name == "weights.safetensors":
        write_weights({"w": torch.rand(4, 4), "n": torch.ones(3, dtype=torch.int64)}, path)

        def read(path: Path) -> object:
            return {key: tensor.tolist() for key, tensor in read_weights(path).items()}
    else:
        write, read = FORMATS[name]
        write(path)
    good, told = path.read_bytes(), 0
    expected = plain(read(path))
    assert verify(path)
    places = range(0, len(good), max(len(good) // 150, 1))
    broken = [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in places]
    for number, content in enumerate(broken + [good[:at] for at in places]):
        path.write_bytes(content)
        os.utime(path, ns=(number, number))
        try:
            assert plain(read(path)) == expected, number
            seen = False
        except (DataError, SafetensorError) as error:
            seen = True
            told += 1
            if isinstance(error, DataError):
                assert name in str(error) and "delete it and run again" in str(error)
        if seen or path.suffix == WHOLE:
            with pytest.raises(DataError, match=rf"(?s){re.escape(name)}: .*delete it and (train the )?run again"):
                verify(path)
    assert told > len(broken)


def test_a_damaged_history_is_told(tmp_path):
    write_text(tmp_path / HISTORY_FILE, "epoch,train_loss\n1,0.5\n")
    write_json(tmp_path / SUMMARY_FILE, {"history_crc32": "00000000"})
    with pytest.raises(DataError, match=r"history\.csv: damaged.*delete it and run again"):
        check_history(tmp_path)


def test_what_was_changed_by_hand_is_read_without_its_checksum(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"epochs": 100})
    assert CHECKSUM in path.read_text()
    path.write_text(path.read_text().replace("100", "50"))
    with pytest.raises(DataError, match="if by you, remove its line"):
        read_json(path)
    path.write_text('{"epochs": 50}')
    assert read_json(path) == {"epochs": 50}
