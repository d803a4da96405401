"""The training of the built-in model."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ecgpipe.config.box import BoxConfig
from ecgpipe.errors import DataError
from ecgpipe.models.recording_folder import page_output
from ecgpipe.models.recordings import WINDOW, RecordingNet
from ecgpipe.train.recordings import Examples, random_windows, train_recordings

RECIPE = BoxConfig(members=2, width=4, epochs=6, batch_size=16, precision="fp32")


def records(count: int, seed: int, statements: bool = False) -> Examples:
    """Noise; records of the class have a spike in V1 every second. Statements: the opposite of the class, or none."""
    generator = np.random.default_rng(seed)
    signals = generator.normal(0, 0.1, (count, 12, 1000))
    targets = generator.integers(0, 2, (count, 1))
    signals[:, 6, ::100] += 2 * targets
    targets = targets.astype(np.uint8)
    return Examples(signals.astype(np.float32), targets, 1 - targets if statements else targets[:, :0])


def logits_of(net: RecordingNet, examples: Examples) -> np.ndarray:
    return np.stack([page_output(net, signal).logits for signal in examples.signals])


def test_it_learns_and_other_statements_leave_the_outputs(tmp_path):
    net = train_recordings(records(160, 0, statements=True), RECIPE, tmp_path)
    others = records(40, 1)
    logits, truth = logits_of(net, others), others.targets[:, 0]
    assert logits.shape == (40, 1)
    assert logits[truth == 1].min() > logits[truth == 0].max()


def test_members_start_from_the_first_training(tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 1, "pretrain_epochs": 12, "learning_rate": 3e-3})
    few, others = records(16, 2, statements=True), records(40, 1)
    plain = logits_of(train_recordings(few, recipe, tmp_path / "plain"), others)
    first = logits_of(train_recordings(few, recipe, tmp_path / "first", first=records(160, 0)), others)
    truth = others.targets[:, 0]
    assert roc_auc_score(truth, first) > 0.95 > roc_auc_score(truth, plain)


def test_finished_members_are_kept_and_the_same_seed_gives_the_same_network(tmp_path):
    examples = records(48, 0)
    recipe = RECIPE.model_copy(update={"epochs": 1})
    first = train_recordings(examples, recipe, tmp_path).state_dict()
    (tmp_path / "member-1.safetensors").unlink()
    kept = (tmp_path / "member-0.safetensors").stat().st_mtime_ns
    again = train_recordings(examples, recipe, tmp_path).state_dict()
    assert (tmp_path / "member-0.safetensors").stat().st_mtime_ns == kept
    assert all((first[name] == again[name]).all() for name in first)


def test_networks_of_other_records_or_settings_are_not_kept(tmp_path):
    examples, recipe = records(48, 0), RECIPE.model_copy(update={"epochs": 1})
    slow = recipe.model_copy(update={"learning_rate": 1e-4})
    before = train_recordings(examples, recipe, tmp_path).state_dict()
    for changed in ((examples, slow), (records(48, 5), slow)):  # one at a time
        other = train_recordings(*changed, tmp_path).state_dict()
        assert any((before[name] != other[name]).any() for name in before if name.startswith("members."))
        before = other


def test_too_few_records_are_an_error(tmp_path):
    with pytest.raises(DataError, match="fewer than one batch"):
        train_recordings(records(8, 0), RECIPE, tmp_path)


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
