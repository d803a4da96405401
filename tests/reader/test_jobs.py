"""The jobs that train the page reader: what an interrupted one left, and what another one left."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.torch import load_file
from snakemake.iocontainers import OutputFiles

from ecgpipe.artifacts.files import resumable_folder
from ecgpipe.reader.training import add_row
from tests.conftest import PROJECT

RECIPE = {
    "steps": 4,
    "batch_size": 2,
    "size": 64,
    "warmup_steps": 2,
    "save_every": 2,
    "name_steps": 4,
    "name_batch_size": 2,
}


def train_pages(folder: Path, seed: int) -> Path:
    """Run the job on signals from a seed; like Snakemake, without its outputs from before. Returns the weights."""
    signals = folder / "signals.npy"
    np.save(signals, np.random.default_rng(seed).normal(0, 200, (3, 12, 5000)).astype(np.int16))
    names = {"weights": "pages.safetensors", "history": "history.csv", "names": "names.csv"}
    output = OutputFiles(fromdict={name: str(folder / file) for name, file in names.items()})
    for file in map(Path, output):
        file.unlink(missing_ok=True)
    job = SimpleNamespace(
        input=SimpleNamespace(signals=str(signals)), output=output, log=[str(folder / "log")], threads=1, resources={},
        params=SimpleNamespace(recipe=RECIPE, code="0"),
    )  # fmt: skip
    runpy.run_path(str(PROJECT / "scripts/reader_pages.py"), init_globals={"snakemake": job})
    return Path(output.weights)


def test_an_interrupted_job_writes_all_its_files_the_second_time(tmp_path):
    with pytest.MonkeyPatch.context() as patch:  # in the training of the network for names, which is the second
        patch.setattr("ecgpipe.reader.training.add_row", _stop_at_names)
        with pytest.raises(KeyboardInterrupt):
            train_pages(tmp_path, 0)
    before = load_file(train_pages(tmp_path, 0))
    steps = [line.split(",")[0] for line in (tmp_path / "history.csv").read_text().splitlines()]
    assert steps == ["step", "2", "4"]
    assert not list(tmp_path.glob("pages-*"))  # the checkpoints

    after = load_file(train_pages(tmp_path, 1))  # other signals: nothing is resumed
    assert any((before[name] != after[name]).any() for name in before)


def _stop_at_names(path: Path, row: dict) -> None:
    if path.name == "names.csv":
        raise KeyboardInterrupt
    add_row(path, row)


def test_what_a_job_with_other_settings_left_is_deleted(tmp_path):
    output = tmp_path / "pages.safetensors"
    with pytest.raises(KeyboardInterrupt), resumable_folder(output, "a", "b") as first:
        (first / "checkpoint.pt").touch()
        raise KeyboardInterrupt
    (tmp_path / "pages").mkdir()
    with pytest.raises(KeyboardInterrupt), resumable_folder(output, "a", "b") as same:
        assert (same / "checkpoint.pt").is_file()
        raise KeyboardInterrupt
    with resumable_folder(output, "ab", "") as other:
        assert not list(other.iterdir()) and not first.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]
