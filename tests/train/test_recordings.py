"""The training of the built-in model."""

import numpy as np
import pytest

from ecgpipe.config.box import BoxConfig
from ecgpipe.errors import DataError
from ecgpipe.models.recording_folder import page_output
from ecgpipe.models.recordings import WINDOW
from ecgpipe.train.recordings import random_windows, train_recordings

RECIPE = BoxConfig(members=2, width=4, epochs=6, batch=16, cpu_precision="fp32")


def records(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise; records of the class have a spike in V1 every second."""
    generator = np.random.default_rng(seed)
    signals = generator.normal(0, 0.1, (count, 12, 1000))
    targets = generator.integers(0, 2, (count, 1))
    signals[:, 6, ::100] += 2 * targets
    return signals.astype(np.float32), targets.astype(np.uint8)


def test_it_learns_and_other_statements_leave_the_outputs(tmp_path):
    signals, targets = records(160, 0)
    net = train_recordings(signals, targets, 1 - targets, RECIPE, tmp_path)
    others, truth = records(40, 1)
    logits = np.stack([page_output(net, signal).logits for signal in others])
    assert logits.shape == (40, 1)
    assert logits[truth[:, 0] == 1].min() > logits[truth[:, 0] == 0].max()


def test_finished_members_are_kept_and_the_same_seed_gives_the_same_network(tmp_path):
    signals, targets = records(48, 0)
    recipe = RECIPE.model_copy(update={"epochs": 1})
    first = train_recordings(signals, targets, targets[:, :0], recipe, tmp_path / "first").state_dict()
    (tmp_path / "first" / "member-1.safetensors").unlink()
    kept = (tmp_path / "first" / "member-0.safetensors").stat().st_mtime_ns
    again = train_recordings(signals, targets, targets[:, :0], recipe, tmp_path / "first").state_dict()
    assert (tmp_path / "first" / "member-0.safetensors").stat().st_mtime_ns == kept
    assert all((first[name] == again[name]).all() for name in first)


def test_too_few_records_are_an_error(tmp_path):
    signals, targets = records(8, 0)
    with pytest.raises(DataError, match="fewer than one batch"):
        train_recordings(signals, targets, targets, RECIPE, tmp_path)


def test_windows_show_leads_as_pages_do():
    """Leads of a column are from one time; columns, strips and hidden leads differ from window to window."""
    times = np.broadcast_to(np.arange(1000.0), (12, 1000))
    signals = np.exp(times / 1000)[None].repeat(400, axis=0)  # a gain changes the level, not the growth
    windows = random_windows(signals, np.random.default_rng(0))
    assert windows.shape == (400, 12, WINDOW)
    level = np.log(windows[:, :, 0])
    together = np.isclose(level[:, :1], level[:, 3:4]).mean()
    assert 0.2 < together < 0.55  # I and aVR: one column of 12 x 1 and of 6 x 2, two of 3 x 4
    first_column = level[:, [0, 2]]
    shown = np.isfinite(first_column).all(axis=1)
    assert np.allclose(*first_column[shown].T)
    missing = np.isnan(windows).all(axis=2).sum(axis=1)
    assert missing.max() <= 4
    assert 0.1 < (missing > 0).mean() < 0.3
    assert 0.2 < (np.isnan(windows).any(axis=2) & ~np.isnan(windows).all(axis=2)).any(axis=1).mean() < 0.4
