"""The signal reference learns from the signal, and is reproducible by its seed."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ecgpipe.artifacts.baselines import SIGNALS_SHAPE, BaselineSignals
from ecgpipe.artifacts.tables import Labels
from ecgpipe.baselines.features import as_reference
from ecgpipe.baselines.signal_reference import run_reference
from ecgpipe.errors import DataError
from ecgpipe.models.recordings import ResNet1d


def data_set(folder, count=240, policy="single"):
    """Waves of 2 Hz or 5 Hz under noise, at phases of their own, in two files."""
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 2, count)
    time = np.arange(SIGNALS_SHAPE[1]) / 100
    phases = generator.random((count, SIGNALS_SHAPE[0], 1))
    waves = np.sin(2 * np.pi * (np.where(truth, 5, 2)[:, None, None] * time + phases))
    signals = (waves + generator.normal(0, 1, waves.shape)).astype(np.float16)
    ids = np.array([f"r{number:03}" for number in range(count)])
    files = [folder / "0.npz", folder / "1.npz"]
    for file, part in zip(files, np.array_split(np.arange(count), 2), strict=True):
        BaselineSignals(ids[part], signals[part]).write(file)
    roles = np.array(["train", "train", "validation", "test"])[np.arange(count) % 4]
    targets = np.eye(2, dtype=np.uint8)[truth]
    labels = Labels(ids, targets, ("SLOW", "FAST"), policy)
    return pd.DataFrame({"record_id": ids, "role": roles}), labels, files


@pytest.mark.parametrize("policy", ["single", "multilabel"])
def test_it_learns_from_the_signal(tmp_path, policy):
    split, labels, files = data_set(tmp_path, policy=policy)
    before = torch.random.get_rng_state()
    found = run_reference(split, labels, files, 0, epochs=3)
    assert torch.equal(before, torch.random.get_rng_state())
    test = found.of_role("test")
    assert len(test.record_ids) == 60
    assert roc_auc_score(test.targets[:, 1], test.logits[:, 1]) > 0.95


def test_the_seed_determines_the_result(tmp_path):
    split, labels, files = data_set(tmp_path, 64)
    runs = [run_reference(split, labels, files, seed, epochs=1).logits for seed in (0, 0, 1)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_errors(tmp_path):
    split, labels, files = data_set(tmp_path, 8)
    with pytest.raises(DataError, match="have no signals, r004 first"):
        run_reference(split, labels, files[:1], 1, 0)
    with pytest.raises(DataError, match="requires two training records"):
        run_reference(split.assign(role="test"), labels, files, 1, 0)
    files[1].write_bytes(b"not an archive")
    with pytest.raises(DataError, match="delete it and run again"):
        run_reference(split, labels, files, 0, epochs=1)


def test_signals_have_one_rate_and_length():
    time = np.arange(5000) / 500
    signal = np.tile(np.sin(2 * np.pi * time) + 0.7, (12, 1))
    signal[3] += np.linspace(0, 0.1, 5000)
    expected = np.sin(2 * np.pi * np.arange(1000) / 100)
    assert as_reference(signal, 500)[0] == pytest.approx(expected, abs=0.02)
    assert as_reference(signal[:, ::5], 100)[0] == pytest.approx(expected, abs=0.01)
    short = as_reference(signal[:, :2500], 500)
    assert short.shape == SIGNALS_SHAPE
    assert not short[:, 500:].any()
    assert short[0, :500] == pytest.approx(expected[:500], abs=0.1)
    odd = np.tile(np.sin(2 * np.pi * np.arange(12346) / 123456.789), (12, 1))  # used to take 20 GB of memory
    assert as_reference(odd, 123456.789)[0, 1:9] == pytest.approx(expected[1:9] - np.median(expected[:10]), abs=0.05)


def test_the_network_accepts_any_length():
    network = ResNet1d(5).eval()
    assert network(torch.zeros(2, 12, 1000)).shape == (2, 5)
    assert network(torch.zeros(1, 12, 731)).shape == (1, 5)
