"""Training of the line network: the loss, resumption, and the file of weights."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ecgpipe.config.pages import READER_WEIGHTS, ReaderConfig
from ecgpipe.reader.line_data import LineExamples
from ecgpipe.reader.line_network import CHANNELS, OFFSETS
from ecgpipe.reader.line_training import line_loss, train_lines
from ecgpipe.reader.read import load_reader

TINY = ReaderConfig(line_steps=12, line_batch_size=4, warmup_steps=2, save_every=4, averaging=0.5, learning_rate=0.01)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Lines that are wrong by what one channel shows."""
    rng, columns = np.random.default_rng(0), np.array([300, 700, 200])
    channels = rng.normal(0, 0.1, (CHANNELS, columns.sum())).astype(np.float16)
    above = np.repeat(channels[len(OFFSETS)], 2)
    above[:40] = np.nan
    path = tmp_path_factory.mktemp("lines") / "examples.npz"
    LineExamples(channels, above, columns, np.full(3, 0.02, np.float32)).write(path)
    return path


@pytest.fixture(scope="module")
def trained(examples, tmp_path_factory):
    return train_lines(examples, READER_WEIGHTS, tmp_path_factory.mktemp("trained") / "reader.safetensors", TINY)


def test_the_loss_is_the_ratio_of_powers_in_decibels():
    above = torch.tensor([[1.0, -1.0, 1.0, -1.0, float("nan")]])
    found = torch.tensor([[3.9, 2.1, 3.9, 2.1, 99.0]])  # an offset of 3, and 0.1 of error
    assert line_loss(found, above, torch.tensor([1.0])).item() == pytest.approx(10 * np.log10(0.01 + 2e-4), abs=1e-3)


def test_a_batch_contains_pieces_of_single_leads(examples):
    views, above, power = LineExamples.read(examples).batch(np.random.default_rng(1), 50)
    assert power.tolist() == pytest.approx([0.02] * 50)
    shown = views[:, len(OFFSETS)].repeat_interleave(2, dim=1)
    known = ~above.isnan()
    assert torch.equal(shown[known], above[known])
    lengths = {int(each.sum()) for each in known}
    assert max(lengths) == 2 * 560 and 400 in lengths  # of the second and third lead; 560 columns is the most


def test_training_learns_and_an_interrupted_one_ends_with_the_same_weights(examples, trained, tmp_path):
    rows = (trained.parent / "lines.csv").read_text().splitlines()
    assert rows[0] == "step,seconds,loss" and float(rows[-1].split(",")[2]) < float(rows[1].split(",")[2])
    path = tmp_path / "reader.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgpipe.reader.part_training.add_row", _stop)
        with pytest.raises(KeyboardInterrupt):
            train_lines(examples, READER_WEIGHTS, path, TINY)
    resumed = load_file(train_lines(examples, READER_WEIGHTS, path, TINY))
    for name, tensor in load_file(trained).items():
        assert torch.equal(tensor, resumed[name]), name


def _stop(path, row):
    if row["step"] > 4:
        raise KeyboardInterrupt


def test_the_other_networks_stay_as_they_were(trained):
    before, after = load_file(READER_WEIGHTS), load_file(trained)
    assert before.keys() == after.keys()
    assert all(
        torch.equal(before[name], after[name]) == (not name.startswith("liner."))
        for name in before
        if name.endswith("weight")
    )


def test_the_file_says_how_each_network_was_trained(trained):
    with safe_open(READER_WEIGHTS, "pt") as file:
        before = json.loads(file.metadata()["recipe"])
    with safe_open(trained, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["line_steps"] == 12 and recipe["steps"] == before["steps"] and recipe["seed"] == before["seed"]


def test_weights_without_the_line_network_still_read(trained, tmp_path):
    tensors = {name: tensor for name, tensor in load_file(trained).items() if not name.startswith("liner.")}
    save_file(tensors, tmp_path / "old.safetensors")
    net = load_reader(tmp_path / "old.safetensors")
    assert not net.liner.last.weight.any()
