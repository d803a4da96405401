"""Runs that are packed, trained elsewhere and collected, on the CPU at a small size."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.gpu_runs import RESULTS, collect, main, pack, unpack
from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import ConfigError
from ecgpipe.train.data import PackedImages
from tests.train.conftest import make_run  # noqa: F401


@pytest.fixture
def packed(make_run, tmp_path):  # noqa: F811
    runs = [make_run("test_resnet", name, epochs=10, warmup_epochs=3) for name in ("one", "two")]
    assert pack(tmp_path / "packed", runs[:1]) < 20_000
    return tmp_path / "packed", runs


def test_a_packed_run_has_the_same_images_and_share_of_warm_up(packed, tmp_path):
    folder, (original, _) = packed
    run = unpack(folder, tmp_path / "work", "test_resnet", epochs=5, precision=None)
    config, index = RunConfig.read(run), RunIndex.read(run)
    assert (config.train.epochs, config.train.warmup_epochs, config.train.precision) == (5, 1.5, "fp16")
    images = PackedImages(run, config, index).packed(np.arange(60))
    first = PackedImages(original, RunConfig.read(original), RunIndex.read(original))
    assert np.array_equal(images, first.packed(np.arange(60)))
    assert open_images(run.parent / "images.npy").shape == (60, 128, 16)


def test_runs_of_other_images_are_not_packed_together(packed, tmp_path):
    _, (first, second) = packed
    index = RunIndex.read(second)
    replace(index, rows=index.rows[::-1].copy()).write(second)
    with pytest.raises(ConfigError, match="must share their images"):
        pack(tmp_path / "again", [first, second])


def test_train_and_collect(packed, tmp_path, capsys):
    folder, _ = packed
    words = ["train", folder, tmp_path / "out", "--work", tmp_path / "work", "--epochs", 2]
    main([str(word) for word in words])
    line = json.loads(capsys.readouterr().out)
    assert line["epochs"] == 2 and line["peak_gpu_mib"] is None
    assert (tmp_path / "out" / RESULTS).stat().st_size < 100_000
    (file,) = collect(tmp_path / "out", tmp_path / "results")
    assert file == tmp_path / "results/bars/paper/test_resnet/seed-1/predictions.parquet"
    predictions = Predictions.read(file)
    assert sorted(set(predictions.roles)) == ["test", "validation"] and len(predictions.record_ids) == 19
    assert len(pd.read_csv(file.parent / "history.csv")) == 2


@pytest.mark.long
def test_a_killed_training_is_resumed(packed, tmp_path, capsys):
    folder, _ = packed
    words = ["resume", folder, tmp_path / "out", "--work", tmp_path / "work", "--epochs", 40, "--seconds", 0]
    main([*map(str, words), "--variant", "test_resnet"])
    found = json.loads(capsys.readouterr().out)
    assert found["resumed"] and found["difference"] == 0 and 1 <= found["killed_after"] < found["epochs"]
