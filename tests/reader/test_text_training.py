"""Training of the network for printed scales: its examples, resumption, and the file of weights."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ecgpipe.config.pages import READER_WEIGHTS, ReaderConfig
from ecgpipe.reader.text_examples import make_text_examples, random_text
from ecgpipe.reader.text_network import ALPHABET, encode
from ecgpipe.reader.text_training import text_batch, train_texts

TINY = ReaderConfig(text_steps=6, text_batch_size=1, warmup_steps=2, save_every=2, averaging=0.5)


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    path = tmp_path_factory.mktemp("signals") / "signals.npy"
    np.save(path, np.random.default_rng(0).normal(0, 100, (2, 12, 5000)).astype(np.int16))
    return path


@pytest.fixture(scope="module")
def trained(signals, tmp_path_factory):
    return train_texts(signals, READER_WEIGHTS, tmp_path_factory.mktemp("trained") / "reader.safetensors", TINY)


def test_six_of_ten_lines_contain_scales():
    rng = np.random.default_rng(0)
    lines = ["mm/" in random_text(rng).lower() for _ in range(1000)]
    assert 0.5 < np.mean(lines) < 0.75


def test_examples_depend_on_their_number_alone(signals):
    waves = np.load(signals)
    first, again, other = (make_text_examples((0, number), waves, 500) for number in (3, 3, 4))
    assert first and all(
        np.array_equal(a, b) and text == same for (a, text), (b, same) in zip(first, again, strict=True)
    )
    assert [text for _, text in first] != [text for _, text in other]
    assert all(view.shape[0] == 32 and view.shape[1] % 2 == 0 and view.std() > 1 for view, _ in first)


def test_a_batch_pads_the_views_with_their_mean():
    views = np.random.default_rng(0).integers(0, 255, (32, 60), np.uint8), np.zeros((32, 40), np.uint8)
    batch, steps, codes, lengths = text_batch([(views[0], "25 mm/s"), (views[1], "V1")])
    assert batch.shape == (2, 32, 60) and steps.tolist() == [30, 20] and lengths.tolist() == [7, 2]
    assert codes.tolist() == [*encode("25 mm/s"), ALPHABET.index("v"), ALPHABET.index("1")]
    assert batch[0].mean().item() == pytest.approx(0, abs=1e-5) and (batch[1] == 0).all()


def test_an_interrupted_training_ends_with_the_same_weights(signals, trained, tmp_path):
    path = tmp_path / "reader.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgpipe.reader.part_training.add_row", _stop)
        with pytest.raises(KeyboardInterrupt):
            train_texts(signals, READER_WEIGHTS, path, TINY)
    assert torch.load(path.with_name("texts.pt"), weights_only=True)["step"] == 2
    resumed = load_file(train_texts(signals, READER_WEIGHTS, path, TINY))
    for name, tensor in load_file(trained).items():
        assert torch.equal(tensor, resumed[name]), name


def _stop(path, row):
    if row["step"] > 2:
        raise KeyboardInterrupt


def test_only_the_network_for_text_changes(trained):
    before, after = load_file(READER_WEIGHTS), load_file(trained)
    changed = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {"text"}
    with safe_open(trained, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["text_steps"] == 6 and recipe["line_steps"] == ReaderConfig().line_steps
