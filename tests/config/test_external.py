"""`benchmark.external`: which datasets, protocols, models and classes."""

import pytest

from ecgpipe.config.external import shared_classes
from ecgpipe.config.schema import validate_config
from ecgpipe.config.targets import Targets
from ecgpipe.errors import ConfigError

SUPER = ("NORM", "MI", "STTC", "CD", "HYP")
HEART = ("Normal", "Myocardial Infarction", "History of Myocardial Infarction", "Abnormal Heartbeat")
KEY = "benchmark.external.0"
CLINIC = {"kind": "signals", "source": "clinic", "labels": "labels.csv", "columns": {"patient": "patient"}}


def config(*entries, **more):
    runs = {
        "ptb-xl": {"protocols": ["folds", "patient"], "models": ["swin", "vit"], "seeds": [0, 1]},
        "cardiac-images": {"protocols": ["unique-cv3"], "models": ["swin"], "seeds": [1, 2]},
        "clinic": {"protocols": ["patient"], "models": ["swin"]},
    }
    values = {
        "datasets": ["ptb-xl", "cardiac-images", "clinic"],
        "results": "out",
        "own": {"clinic": CLINIC},
        "benchmark": runs | {"external": list(entries)},
    }
    return validate_config(values | more)


def shared(source, target, mapping=None):
    found = shared_classes(source, target, mapping, KEY, ("a", "b"))
    return {one.name: (one.source, one.target) for one in found}


def test_the_first_protocol_all_models_and_the_same_seeds_by_default():
    (one,) = config({"from": "ptb-xl", "to": "cardiac-images"}).external
    assert (one.dataset, one.protocol, one.models, one.seeds) == ("ptb-xl", "folds", ("swin", "vit"), (0, 1))
    assert (one.target, one.target_protocol) == ("cardiac-images", "unique-cv3-1")
    assert [one.target_seed(seed) for seed in one.seeds] == [1, 1]  # the target has no seed 0
    entry = {"from": "ptb-xl/patient", "to": "clinic", "models": ["vit"], "classes": {"NORM": "SR", "MI": ["A", "B"]}}
    (one,) = config(entry).external
    assert (one.protocol, one.models, one.classes) == ("patient", ("vit",), {"NORM": ("SR",), "MI": ("A", "B")})


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"from": "ptbxl", "to": "clinic"}, f"{KEY}.from: 'ptbxl' is not among the datasets, ptb-xl, cardiac-images"),
        ({"from": "clinic", "to": "simulated"}, f"{KEY}.to: 'simulated' is not among the datasets"),
        (
            {"from": "ptb-xl/paper", "to": "clinic"},
            f"{KEY}.from: 'paper' is not among the protocols of benchmark.ptb-xl",
        ),
        ({"from": "clinic", "to": "clinic/patient"}, f"{KEY}: from and to are both clinic"),
        ({"from": "clinic", "to": "ptb-xl", "models": ["vit"]}, f"{KEY}.models: vit is not trained on clinic"),
        ({"from": "clinic", "to": "a/b/c"}, f"{KEY}.to: must be DATASET or DATASET/PROTOCOL"),
        ({"from": "clinic"}, f"{KEY}.to: Field required"),
        ({"from": "clinic", "to": "ptb-xl", "class": {}}, f"{KEY}.class: unknown key; did you mean classes?"),
    ],
)
def test_errors_name_the_key(entry, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        config(entry)


def test_the_same_pair_twice_and_a_dataset_of_that_name():
    pair = {"from": "ptb-xl", "to": "clinic"}
    with pytest.raises(ConfigError, match="ptb-xl/folds -> clinic/patient occurs twice"):
        config(pair, pair | {"from": "ptb-xl/folds"})
    with pytest.raises(ConfigError, match=r"own\.external: this name is reserved"):
        config(own={"clinic": CLINIC, "external": CLINIC})


def test_models_that_start_from_the_target_are_not_external():
    runs = {
        "ptb-xl": {"protocols": ["folds"], "models": ["swin", "swin+pre"]},
        "cardiac-images": {"models": ["swin"]},
        "simulated": {"protocols": ["patient"], "models": ["swin"]},
    }
    values = {"datasets": list(runs), "recipes": {"pre": {"init_from": "simulated/patient/swin"}}}
    to_simulated, to_images = ({"from": "ptb-xl", "to": name} for name in ("simulated", "cardiac-images"))
    resolved = validate_config(values | {"benchmark": runs | {"external": [to_simulated, to_images]}}).external
    assert [one.models for one in resolved] == [("swin",), ("swin", "swin+pre")]
    with pytest.raises(ConfigError, match=r"0\.models: swin\+pre starts from a run on recordings of simulated"):
        validate_config(values | {"benchmark": runs | {"external": [to_simulated | {"models": ["swin+pre"]}]}})


def test_models_that_continue_a_training_that_starts_from_the_target_are_not_external():
    runs = {
        "ptb-xl": {"protocols": ["folds"], "models": ["swin", "swin+short", "swin+long", "swin+longest"]},
        "simulated": {"protocols": ["patient"], "models": ["swin"]},
    }
    recipes = {
        "short": {"epochs": 40, "keep_state": True, "init_from": "simulated/patient/swin"},
        "long": {"epochs": 50, "keep_state": True, "continue_from": "short"},
        "longest": {"epochs": 60, "continue_from": "long"},
    }
    values = {"datasets": list(runs), "train": {"schedule": "constant"}, "recipes": recipes}
    (one,) = validate_config(
        values | {"benchmark": runs | {"external": [{"from": "ptb-xl", "to": "simulated"}]}}
    ).external
    assert one.models == ("swin",)


def test_models_that_start_from_the_recordings_of_the_target_are_not_external():
    images = {"kind": "images", "source": "pages", "labels": "ptb-xl"}
    folds = {"protocols": ["folds"], "models": ["swin"]}
    runs = {
        "ptb-xl": folds,
        "clinic": {"protocols": ["patient"], "models": ["swin", "swin+pre"]},
        "pages": folds | {"models": ["swin", "swin+pre"]},
        "others": folds,
    }
    values = {
        "datasets": list(runs),
        "own": {"clinic": CLINIC, "pages": images, "others": images},
        "recipes": {"pre": {"init_from": "ptb-xl/folds/swin"}},
    }
    entries = [{"from": "clinic", "to": "pages"}, {"from": "pages", "to": "others"}, {"from": "pages", "to": "clinic"}]
    resolved = validate_config(values | {"benchmark": runs | {"external": entries}}).external
    # between datasets of the same recordings, the published folds keep the test records out of all runs
    assert [one.models for one in resolved] == [("swin",), ("swin", "swin+pre"), ("swin", "swin+pre")]


def test_datasets_of_the_same_recordings_need_the_published_folds():
    images = {"kind": "images", "source": "pages", "labels": "ptb-xl"}
    runs = {"ptb-xl": {"protocols": ["patient", "folds"]}, "pages": {"protocols": ["folds", "patient"]}}
    values = {"datasets": list(runs), "own": {"pages": images}}

    def resolve(source):
        entry = {"from": source, "to": "pages"}
        return validate_config(values | {"benchmark": runs | {"external": [entry]}}).external

    assert len(resolve("ptb-xl/folds")) == 1
    with pytest.raises(
        ConfigError, match=r"external\.0: ptb-xl and pages show the same recordings; only the published"
    ):
        resolve("ptb-xl/patient")


def test_superclasses_and_the_classes_of_cardiac_images_are_known_both_ways():
    infarctions = HEART[1:3]
    assert shared(SUPER, HEART) == {"NORM": (("NORM",), ("Normal",)), "MI": (("MI",), infarctions)}
    assert shared(HEART, SUPER) == {"NORM": (("Normal",), ("NORM",)), "MI": (infarctions, ("MI",))}
    assert shared(("AF", "SR", "X"), ("af", "LBBB")) == {"AF": (("AF",), ("af",))}


def test_a_mapping_joins_classes_with_the_same_partner():
    mapping = {"Normal": ["NORM"], "Myocardial Infarction": ["MI"], "History of Myocardial Infarction": ["MI"]}
    assert shared(HEART, SUPER, mapping) == {"Normal": (("Normal",), ("NORM",)), "MI": (HEART[1:3], ("MI",))}
    assert shared(SUPER, HEART, {"MI": HEART[1:3]}) == {"MI": (("MI",), HEART[1:3])}


@pytest.mark.parametrize(
    "source, target, mapping, message",
    [
        (SUPER, ("AF", "SR"), None, r"share no class by name\. a has the classes NORM, .*; b has AF, SR\. Set benchm"),
        (SUPER, HEART, {"NROM": ["Normal"]}, "a has no class NROM"),
        (SUPER, HEART, {"NORM": ["normal"]}, "b has no class normal"),
        (SUPER, HEART, {"CD": ["Normal"], "MI": ["Normal", "Abnormal Heartbeat"]}, "Normal is a partner of several"),
        (("A", "B"), SUPER, {"A": ["MI"], "B": ["MI"]}, "MI covers all classes of a, so no record is negative"),
    ],
)
def test_classes_that_cannot_be_compared(source, target, mapping, message):
    with pytest.raises(ConfigError, match=r"^benchmark\.external\.0\.classes: .*" + message):
        shared(source, target, mapping)


def test_files_of_an_entry():
    settings = config({"from": "ptb-xl", "to": "cardiac-images"}, {"from": "clinic", "to": "ptb-xl/patient"})
    targets = Targets(settings, {name: ["0"] for name in settings.datasets})
    assert targets.externals() == [
        "out/cardiac-images/external/unique-cv3-1/ptb-xl/folds.json",
        "out/ptb-xl/external/patient/clinic/patient.json",
    ]
    assert set(targets.externals()) <= set(targets.everything())
    files = targets.external_predictions(settings.external[0])
    assert len(files["external"]) == len(files["source"]) == 4
    assert files["external"][1] == "out/ptb-xl/folds/swin/seed-1/external/cardiac-images/unique-cv3-1.parquet"
    assert files["internal"] == ["out/cardiac-images/unique-cv3-1/swin/seed-1/predictions.parquet"]
    one = settings.external[0]
    assert targets.external(one.dataset, one.protocol, one.target, one.target_protocol) == one
    with pytest.raises(ConfigError, match=r"benchmark\.external has no entry from ptb-xl/patient to clinic/patient"):
        targets.external("ptb-xl", "patient", "clinic", "patient")
