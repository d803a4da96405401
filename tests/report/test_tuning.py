"""The table of a hyperparameter search, against a calculation by hand, and training curves."""

import pandas as pd
import pytest
import yaml
from PIL import Image

from ecgpipe.errors import DataError
from ecgpipe.report.figures import draw_curves
from ecgpipe.report.tuning import write_tuning


def history(folder, losses, areas):
    folder.mkdir(parents=True)
    epochs = range(1, len(losses) + 1)
    table = {"epoch": epochs, "train_loss": losses, "validation_loss": losses, "validation_auc_macro": areas}
    pd.DataFrame(table | {"seconds": 2.0}).to_csv(folder / "history.csv", index=False)
    return folder / "history.csv"


def test_best_trial_is_chosen_at_the_epochs_of_lowest_loss(tmp_path):
    trials = {
        "a0": ({"train.ema_decay": None}, [0.5, 0.3, 0.4], [0.6, 0.7, 0.99]),  # 0.99 is not of the best epoch
        "a1": ({"train.ema_decay": None}, [0.5, 0.2], [0.6, 0.8]),
        "b0": ({"train.ema_decay": 0.9}, [0.4, 0.6], [0.9, 0.5]),
        "b1": ({"train.ema_decay": 0.9}, [0.1, 0.6], [0.7, 0.5]),
    }
    files = [history(tmp_path / name, losses, areas) for name, (_, losses, areas) in trials.items()]
    points = [{"variant": "vit", "changes": changes} for changes, *_ in trials.values()]
    write_tuning(files, points, "validation_auc_macro", tmp_path / "t.csv", tmp_path / "best.yaml")
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["validation_auc_macro"].tolist() == pytest.approx([0.8, 0.75])
    assert table[["lowest", "highest"]].to_numpy().tolist() == [[0.7, 0.9], [0.7, 0.8]]
    assert table["seeds"].tolist() == [2, 2]
    assert yaml.safe_load((tmp_path / "best.yaml").read_text()) == {"train": {"ema_decay": 0.9}}
    write_tuning(files, points, "validation_loss", tmp_path / "t.csv", tmp_path / "best.yaml")
    assert pd.read_csv(tmp_path / "t.csv")["validation_loss"].is_monotonic_increasing


def test_curves_of_several_runs(tmp_path):
    files = {name: history(tmp_path / name, [0.5, 0.3], [0.6, 0.7]) for name in ("swin", "vit")}
    draw_curves(files, tmp_path / "curves.png")
    assert min(Image.open(tmp_path / "curves.png").size) > 300
    with pytest.raises(DataError, match="train the run first"):
        draw_curves({"x": tmp_path / "none.csv"}, tmp_path / "curves.png")
