"""The files that the workflow makes for a configuration."""

import sys

import pytest

from ecgpipe.config.schema import validate_config
from ecgpipe.config.targets import Targets, job_name
from ecgpipe.errors import ConfigError
from ecgpipe.paper import load_paper
from tests.render.kit_stand_in import stand_in

SHARDS = {"ptb-xl": ["00000", "01000"], "cardiac-images": ["0"], "mine": ["0", "1"]}


def targets(**changes) -> Targets:
    """PTB-XL and the ECG images, one protocol, one or two models and seeds each."""
    values = {
        "results": "out",
        "datasets": ["ptb-xl", "cardiac-images"],
        "benchmark": {
            "ptb-xl": {"protocols": ["folds"], "models": ["swin", "resnet34"], "seeds": [0, 1]},
            "cardiac-images": {"protocols": ["unique-cv3"], "models": ["swin"], "seeds": [5]},
        },
        "baselines": {"enabled": ["nearest", "shuffled", "signal"], "shuffles": 2},
        "explain": {"variants": ["swin"]},
    }
    return Targets(validate_config(values | changes), SHARDS)


def test_datasets_and_shards():
    found = targets()
    assert found.of_datasets("labels.json") == ["out/ptb-xl/labels.json", "out/cardiac-images/labels.json"]
    assert found.of_shards("images/{shard}.npy") == [
        "out/ptb-xl/images/00000.npy",
        "out/ptb-xl/images/01000.npy",
        "out/cardiac-images/images/0.npy",
    ]
    assert found.of_shards("windows/2-of-3/{shard}.npy", ["cardiac-images"]) == [
        "out/cardiac-images/windows/2-of-3/0.npy"
    ]


def test_runs_are_every_split_model_and_seed():
    found = targets()
    runs = found.runs("run.json")
    assert len(runs) == len(set(runs)) == 2 * 2 + 3
    assert runs[:2] == ["out/ptb-xl/folds/swin/seed-0/run.json", "out/ptb-xl/folds/swin/seed-1/run.json"]
    assert runs[-1] == "out/cardiac-images/unique-cv3-3/swin/seed-5/run.json"
    assert found.splits("cardiac-images") == [
        f"out/cardiac-images/splits/unique-cv3-{part}/seed-5.parquet" for part in (1, 2, 3)
    ]
    assert len(found.splits()) == 2 + 3


def test_seeds_may_be_in_any_order_and_the_lowest_is_explained():
    runs = {"protocols": ["folds"], "models": ["swin"], "seeds": [10, 9]}
    found = targets(benchmark={"ptb-xl": runs}, datasets=["ptb-xl"], explain={"variants": ["swin"]})
    assert found.runs("x") == [f"out/ptb-xl/folds/swin/seed-{seed}/x" for seed in (9, 10)]
    assert found.explained("x") == ["out/ptb-xl/folds/swin/seed-9/x"]


def test_a_model_may_have_the_lowest_seed_only_and_continue_another():
    runs = {"protocols": ["folds"], "models": ["swin+a", "swin+b"], "seeds": [3, 1], "once": ["swin+b"]}
    found = targets(
        benchmark={"ptb-xl": runs},
        datasets=["ptb-xl"],
        train={"schedule": "constant"},
        recipes={"a": {"keep_state": True}, "b": {"epochs": 120, "continue_from": "a"}},
    )
    folder = "out/ptb-xl/folds"
    assert found.runs("x") == [f"{folder}/swin+a/seed-1/x", f"{folder}/swin+a/seed-3/x", f"{folder}/swin+b/seed-1/x"]
    assert len(found.predictions("ptb-xl", "folds")) == 3
    assert found.continued("ptb-xl", "folds", "swin+b", 3) == [f"{folder}/swin+a/seed-3/weights.safetensors"]
    assert found.continued("ptb-xl", "folds", "swin+a", 3) == []


def test_pages_files_exist_only_if_they_are_kept():
    assert len(targets().pages()) == 3
    kept, dropped = targets().problems(), targets(keep_pages=False).problems()
    assert len(kept) == 2 + 3 + 3 and len(dropped) == 2 + 3
    with pytest.raises(ConfigError, match="keep_pages is false"):
        targets(keep_pages=False).pages()


def test_baselines_on_signals_only_where_there_are_signals():
    found = targets().baselines()
    assert "out/ptb-xl/folds/baseline-signal/seed-1/metrics.json" in found
    assert not [file for file in found if "cardiac-images" in file and "signal" in file]
    assert "out/cardiac-images/unique-cv3-2/baseline-shuffled-2/seed-5/metrics.json" in found
    assert len(found) == 2 * 4 + 3 * 3
    off = targets(
        benchmark={"ptb-xl": {"baselines": False, "models": ["swin"]}, "cardiac-images": {"models": ["swin"]}}
    )
    assert off.baselines() and not [file for file in off.baselines() if "ptb-xl" in file]


def test_the_baseline_on_digitized_pages_is_for_all_datasets():
    found = targets(baselines={"enabled": ["digitized"]})
    assert {file.split("/")[1] for file in found.baselines() if "baseline-digitized" in file} == {
        "ptb-xl",
        "cardiac-images",
    }
    digitized = [file for file in found.problems() if "digitized" in file]
    assert digitized == found.of_shards("digitized/{shard}.problems.parquet")
    assert not [file for file in targets().problems() if "digitized" in file]


def test_shown_pages_are_the_digitized_ones_of_datasets_that_are_digitized():
    found = targets(preprocess={"from": "digitized"})
    assert found.shown_pages("cardiac-images") == ["out/cardiac-images/digitized/0.npz"]
    assert found.shown_pages("ptb-xl", "01000") == ["out/ptb-xl/pages/01000.parquet"]  # drawn from known traces
    assert targets(keep_pages=False).shown_pages("ptb-xl") == []
    assert [file for file in found.problems() if "digitized" in file] == [
        "out/cardiac-images/digitized/0.problems.parquet"
    ]


def test_user_defined_data_sets_have_the_kind_that_they_state():
    own = {"mine": {"kind": "images", "source": "scans"}}
    found = targets(own=own, datasets=["mine"], benchmark={"mine": {"models": ["swin"]}})
    assert found.config.kind_of("mine") == "images"
    assert not [file for file in found.baselines() if "signal" in file]


def test_comparisons_take_all_parts_of_a_cross_validation():
    found = targets()
    assert found.comparisons() == [
        "out/ptb-xl/comparisons/folds.json",
        "out/cardiac-images/comparisons/unique-cv3.json",
    ]
    assert len(found.predictions("ptb-xl", "folds")) == 4
    assert found.predictions_by_protocol("cardiac-images") == {
        "unique-cv3": [f"out/cardiac-images/unique-cv3-{part}/swin/seed-5/predictions.parquet" for part in (1, 2, 3)]
    }


def test_one_seed_and_one_part_are_explained():
    assert targets().explained("saliency.png") == [
        "out/ptb-xl/folds/swin/seed-0/saliency.png",
        "out/cardiac-images/unique-cv3-1/swin/seed-5/saliency.png",
    ]


def test_claims_about_saliency_name_what_they_need():
    claims = load_paper().claims
    assert set(targets().saliency_of(claims)) <= set(targets().explained("saliency.parquet"))
    assert targets(explain={"variants": []}).saliency_of(claims) == []


def test_a_recipe_that_starts_from_another_training():
    found = targets(
        recipes={"pre": {"init_from": "ptb-xl/folds/swin"}},
        benchmark={
            "ptb-xl": {"protocols": ["folds"], "models": ["swin"], "seeds": [0, 1]},
            "cardiac-images": {"protocols": ["unique"], "models": ["swin+pre"], "seeds": [1]},
        },
    )
    assert found.init_weights("swin+pre", 1) == ["out/ptb-xl/folds/swin/seed-1/weights.safetensors"]
    assert found.init_weights("swin", 1) == []


def test_windows_need_recordings():
    found = targets()
    recipe = found.config.train.model_copy(update={"windows": 3})
    assert found.windows("ptb-xl", found.config.train, "npy") == []
    assert found.windows("ptb-xl", recipe, "npy") == [
        f"out/ptb-xl/windows/{number}-of-3/{shard}.npy" for number in (2, 3) for shard in SHARDS["ptb-xl"]
    ]
    with pytest.raises(ConfigError, match="cardiac-images has images, not recordings"):
        found.windows("cardiac-images", recipe, "npy")


def test_windows_need_pages_that_ecgpipe_draws(tmp_path):
    kit = {"renderer": "ecg-image-kit", "kit_path": str(stand_in(tmp_path / "kit")), "kit_python": sys.executable}
    found = targets(render=kit)
    recipe = found.config.train.model_copy(update={"windows": 3})
    assert found.windows("ptb-xl", found.config.train, "npy") == []
    with pytest.raises(ConfigError, match=r"windows is 3, but ecg-image-kit draws only one page .*renderer: ecgpipe"):
        found.windows("ptb-xl", recipe, "npy")


def test_trials():
    found = targets(tuning={"models": ["swin"], "grid": {"train.mixup": [0, 0.2]}, "seeds": [3, 4]})
    assert found.trials("ptb-xl", "history.csv") == [
        f"out/ptb-xl/tuning/folds/swin/train.mixup={value}/seed-{seed}/history.csv"
        for value in (0, 0.2)
        for seed in (3, 4)
    ]


def test_a_search_requires_models_and_a_protocol_that_the_dataset_has():
    with pytest.raises(ConfigError, match=r"tuning\.models is empty"):
        targets().trials("ptb-xl", "history.csv")
    found = targets(tuning={"models": ["swin"]})
    assert found.trials("ptb-xl", "x") == ["out/ptb-xl/tuning/folds/swin/defaults/seed-0/x"]
    with pytest.raises(ConfigError, match=r"tuning\.protocol: for cardiac-images, folds requires patients or folds"):
        found.trials("cardiac-images", "history.csv")


def test_everything():
    found = targets().everything()
    assert len(found) == len(set(found))
    assert {"out/report/index.html", "out/ptb-xl/comparisons/protocols.json"} <= set(found)
    assert "out/strict.ok" not in found and targets(strict=True).everything()[0] == "out/strict.ok"


@pytest.mark.parametrize(
    ("rule", "output", "expected"),
    [
        (
            "train",
            "out/{dataset}/{protocol}/{variant}/seed-{seed}/w",
            "train/{dataset}/{protocol}/{variant}/seed-{seed}",
        ),
        ("report", "out/report/index.html", "report"),
        ("render", "out/{dataset}/pages/{shard}.parquet", "render/{dataset}/{shard}"),
    ],
)
def test_names_of_logs(rule, output, expected):
    assert job_name(rule, output) == expected


def test_the_signal_baseline_is_compared_only_where_there_are_signals():
    found = targets(baselines={"enabled": ["nearest", "shuffled", "signal"]})
    assert found.baseline_predictions("ptb-xl", "folds") == [
        f"out/ptb-xl/folds/baseline-{name}/seed-{seed}/predictions.parquet"
        for name in ("nearest", "signal")
        for seed in (0, 1)
    ]
    names = {file.split("/")[-3] for file in found.baseline_predictions("cardiac-images", "unique-cv3")}
    assert names == {"baseline-nearest"}
