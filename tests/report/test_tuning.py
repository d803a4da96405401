"""The table of a hyperparameter search, against a calculation by hand, and training curves."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from ecgpipe.errors import DataError
from ecgpipe.report.collect import Run, ms_per_image
from ecgpipe.report.figures import draw_curves
from ecgpipe.report.learning import learning_curves, learning_figure
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


def test_the_best_settings_of_a_model_replace_those_in_variants(tmp_path):
    """`variants` of the user's configuration would win over the section `model`."""
    files = [history(tmp_path / f"{size}", [0.5], [area]) for size, area in ((64, 0.6), (96, 0.7))]
    points = [{"variant": "vit", "changes": {"model.image_size": size, "train.mixup": 0}} for size in (64, 96)]
    write_tuning(files, points, "validation_auc_macro", tmp_path / "t.csv", tmp_path / "best.yaml")
    assert yaml.safe_load((tmp_path / "best.yaml").read_text()) == {
        "variants": {"vit": {"image_size": 96}},
        "train": {"mixup": 0},
    }


def test_trials_without_the_score_are_not_ranked(tmp_path):
    """A class that all validation records have leaves the macro AUC undefined."""
    files = [history(tmp_path / f"{mixup}", [0.5], [None]) for mixup in (0.1, 0.2)]
    points = [{"variant": "vit", "changes": {"train.mixup": mixup}} for mixup in (0.1, 0.2)]
    with pytest.raises(DataError, match=r"no trial has a validation_auc_macro.*set tuning\.score: validation_loss"):
        write_tuning(files, points, "validation_auc_macro", tmp_path / "t.csv", tmp_path / "best.yaml")
    write_tuning(files, points, "validation_loss", tmp_path / "t.csv", tmp_path / "best.yaml")
    assert len(pd.read_csv(tmp_path / "t.csv")) == 2


def test_each_of_several_models_has_its_best_settings(tmp_path):
    trials = [("vit", 0.1, 0.6), ("vit", 0.2, 0.7), ("swin", 0.1, 0.9), ("swin", 0.2, 0.8)]
    files = [history(tmp_path / f"{number}", [0.5], [area]) for number, (*_, area) in enumerate(trials)]
    points = [
        {"variant": variant, "changes": {"train.mixup": mixup, "model.image_size": 64}} for variant, mixup, _ in trials
    ]
    write_tuning(files, points, "validation_auc_macro", tmp_path / "t.csv", tmp_path / "best.yaml")
    assert yaml.safe_load((tmp_path / "best.yaml").read_text()) == {
        "tuned": {"swin": {"mixup": 0.1}, "vit": {"mixup": 0.2}},
        "variants": {"swin": {"image_size": 64}, "vit": {"image_size": 64}},
    }


def test_learning_curves_are_means_over_seeds_of_the_longest_training():
    def run(model, seed, areas, first=None):
        table = {
            "epoch": range(1, len(areas) + 1),
            "images": 100,
            "processor_seconds": 2.0,
            "validation_auc_macro": areas,
        }
        summary = {"train": {"continue_from": first}}
        return Run(Path(f"ptb-xl/folds/{model}/seed-{seed}"), {}, summary, pd.DataFrame(table))

    runs = [run("swin+a", 0, [0.5]), run("swin+b", 0, [0.5, 0.7], "a"), run("swin+b", 1, [0.6, 0.9], "a")]
    curves = learning_curves([*runs, run("vit+a", 0, [0.8])])
    assert curves["model"].tolist() == ["swin+b", "swin+b", "vit+a"] and curves["seeds"].tolist() == [2, 2, 1]
    assert curves["images"].tolist() == [100, 200, 100] and curves["processor_seconds"].tolist() == [2, 4, 2]
    assert curves["auc_macro"].tolist() == pytest.approx([0.55, 0.8, 0.8])
    assert "Images seen" in learning_figure(curves, {"vit+a": "ViT"})
    assert ms_per_image(runs[0].history) == 20
    older = Run(Path("ptb-xl/folds/old/seed-0"), {}, {}, pd.DataFrame({"epoch": [1]}))
    assert learning_curves([*runs, older]).empty and ms_per_image(older.history) is None


def test_curves_of_several_runs(tmp_path):
    files = {name: history(tmp_path / name, [0.5, 0.3], [0.6, 0.7]) for name in ("swin", "vit")}
    draw_curves(files, tmp_path / "curves.png")
    assert min(Image.open(tmp_path / "curves.png").size) > 300
    with pytest.raises(DataError, match="train the run first"):
        draw_curves({"x": tmp_path / "none.csv"}, tmp_path / "curves.png")
