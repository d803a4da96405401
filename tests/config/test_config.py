"""The configuration: the shipped files are valid, and messages name the wrong key."""

import json
import re
from typing import get_args

import pytest
import yaml

from ecgpipe.config.base import Section
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.reference import reference, schema
from ecgpipe.config.schema import Config, validate_config
from ecgpipe.errors import ConfigError
from tests.conftest import PROJECT

ENDLESS: list = []
ENDLESS.append(ENDLESS)
IMAGES = {"kind": "images", "source": "x", "labels": "t.csv"}


def merged(base: dict, changes: dict) -> dict:
    """As Snakemake merges several configuration files."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def shipped() -> dict:
    return yaml.safe_load((PROJECT / "config.yaml").read_text())


AFTER = {
    f"config/protocol-{stage}.yaml": "config/protocol.yaml" for stage in ("primary", "modules", "ablations", "others")
}
"""Files that are given after another one."""
SHIPPED = sorted(path.stem for path in (PROJECT / "config").glob("*.yaml"))


PUBLISHED = [str(path.relative_to(PROJECT)) for path in (PROJECT / "docs/results").glob("*/configuration.yaml")]


@pytest.mark.parametrize(
    "name", [*(f"config/{name}.yaml" for name in SHIPPED), "tests/workflow/tiny.yaml", *sorted(PUBLISHED)]
)
def test_shipped_configurations_are_valid(name):
    values = shipped()
    for file in (AFTER.get(name), name):
        values = merged(values, yaml.safe_load((PROJECT / file).read_text()) if file else {})
    config = validate_config(values)
    assert config.results.startswith("results/")


def test_the_examples_of_the_training_page_are_valid():
    blocks = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs/training.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 4
    for block in blocks:
        validate_config(merged(shipped(), yaml.safe_load(block)))


def test_config_yaml_states_the_defaults_of_the_models():
    """What config.yaml shows is what the models would use without it, but for the choice of runs."""
    stated, default = validate_config(shipped()).model_dump(), Config().model_dump()
    different = {key for key in stated if stated[key] != default[key]}
    assert different <= {"benchmark", "explain"}


def test_every_key_is_described():
    def walk(section: type[Section], path: str) -> list[str]:
        found = []
        for name, field in section.model_fields.items():
            for inner in get_args(field.annotation):
                found += walk(inner, f"{path}{name}.") if hasattr(inner, "model_fields") else []
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                found += walk(field.annotation, f"{path}{name}.")
            elif not field.description:
                found.append(path + name)
        return found

    assert walk(Config, "") == []


def pretrained(init_from: str, seeds: tuple[int, ...] = (0,)) -> dict:
    """Both real datasets under two protocols; swin+pre starts from another run."""
    return {
        "recipes": {"pre": {"init_from": init_from}},
        "benchmark": {
            "ptb-xl": {"protocols": ["folds", "patient"], "models": ["vit", "swin+pre"], "seeds": list(seeds)},
            "cardiac-images": {"protocols": ["unique"], "models": ["swin", "swin+pre"], "seeds": [0]},
        },
    }


def pretrained_on_a_continued_training() -> dict:
    """swin+pre starts from swin+b, which continues swin+a, which starts from another run."""
    first = {"epochs": 40, "keep_state": True, "init_from": "cardiac-images/unique/swin"}
    return {
        "datasets": ["ptb-xl", "cardiac-images", "simulated"],
        "train": {"schedule": "constant"},
        "recipes": {
            "a": first,
            "b": {"epochs": 50, "continue_from": "a"},
            "pre": {"init_from": "simulated/patient/swin+b"},
        },
        "benchmark": {
            "ptb-xl": {"protocols": ["folds"], "models": ["swin+pre"], "seeds": [0]},
            "cardiac-images": {"protocols": ["unique"], "models": ["swin"], "seeds": [0]},
            "simulated": {"protocols": ["patient"], "models": ["swin+a", "swin+b"], "seeds": [0]},
        },
    }


def test_a_recipe_may_start_from_a_training_of_the_benchmark():
    config = validate_config(merged(shipped(), pretrained("cardiac-images/unique/swin")))
    assert config.train_of("swin+pre").init_from == "cardiac-images/unique/swin"
    assert config.train_of("swin").init_from is None


def continued(models=("swin+a", "swin+b"), once=(), **changes) -> dict:
    """Two recipes; b continues a."""
    first, second = {"epochs": 40, "keep_state": True}, {"epochs": 50, "continue_from": "a"}
    return {
        "train": {"schedule": "constant"},
        "recipes": {"a": first, "b": second | changes},
        "benchmark": {"ptb-xl": {"models": list(models), "seeds": [0, 1], "once": list(once)}},
    }


def test_a_recipe_may_continue_a_training_of_the_same_model():
    config = validate_config(merged(shipped(), continued()))
    assert config.train_of("swin+b").continue_from == "a" and config.train_of("swin+b").epochs == 50


def test_tuned_settings_of_a_model_hold_for_all_its_recipes():
    change = {
        "tuned": {"swin": {"learning_rate": 0.5, "epochs": 99}, "vit": "swin", "convnext": "resnet34"},
        "recipes": {"long": {"epochs": 200, "init_from": "simulated/patient/{model}"}},
    }
    config = validate_config(merged(shipped(), change))
    for model in ("swin", "vit"):
        long = config.train_of(f"{model}+long")
        assert (long.learning_rate, long.epochs, long.init_from) == (0.5, 200, f"simulated/patient/{model}")
        assert config.train_of(model).epochs == 99
    assert config.train_of("convnext") == config.train


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"train": {"epoch": 3}}, "train.epoch: unknown key; did you mean epochs?"),
        ({"recipes": {"a": {"epochs": 20}}}, "recipes.a: warmup_epochs (30) must be below epochs (20)"),
        ({"train": {"batch_size": 0}}, "train.batch_size: Input should be greater than or equal to 1; given: 0"),
        ({"labels": {"policy": "all"}}, "labels.policy: Input should be 'single', 'primary' or 'multilabel'"),
        ({"box": {"pretrain_on": "nowhere"}}, "box.pretrain_on: 'nowhere' must be a dataset of signals that"),
        ({"box": {"looks": {"kit/photo": 1}}}, "box.looks: must contain kit/none"),
        ({"box": {"looks": {"kit/none": 1, "kit/wet": 1}}}, "box.looks: kit/wet: name a layout and a level"),
        ({"preproces": {}}, "preproces: unknown key; did you mean preprocess?"),
        (
            {"render": {"degrade": {"blur": {"probability": 1, "range": [0, 0], "seed": 1}}}},
            "render.degrade.blur.seed: unknown key; allowed here: probability, range",
        ),
        ({"preprocess": {"crop": [0.1, 0.1, 0.1, 0.1]}}, "preprocess: variant: reader ignores crop; remove it, or"),
        ({"preprocess": {"variant": "paper", "coverage": 0.5}}, "preprocess: variant: paper ignores coverage; remove"),
        ({"model": {"image_size": 100}}, "model.image_size: must be a multiple of 32"),
        ({"split": {"validation": 0.6, "test": 0.5}}, "split: validation + test leave nothing to train on"),
        ({"datasets": ["ptbxl"]}, "datasets: no dataset 'ptbxl'; did you mean ptb-xl?"),
        ({"benchmark": {"ptbxl": {}}}, "benchmark: no dataset 'ptbxl'; did you mean ptb-xl?"),
        ({"own": {"mine": {"source": "x"}}}, "own.mine.kind: Field required"),
        ({"own": {"mine": {"kind": "signals", "source": "x"}}}, "own.mine: labels: signals require a CSV table"),
        (
            {"own": {"mine": {"kind": "images", "source": "x", "derive_leads": True}}},
            "derive_leads: only for kind signals",
        ),
        ({"own": {"mine": {"kind": "images", "source": "x", "columns": {}}}}, "columns: no label table"),
        ({"own": {"mine": IMAGES | {"colums": {}}}}, "own.mine.colums: unknown key; did you mean columns?"),
        ({"own": {"mine": IMAGES | {"columns": {"lable": "x"}}}}, "own.mine.columns.lable: unknown key; did you mean"),
        ({"own": {"report": IMAGES}}, "own.report: this name is reserved"),
        ({"own": {"my data": IMAGES}}, "own.my data"),
        ({"own": {"mine": IMAGES}, "datasets": ["min"]}, "did you mean mine?"),
        ({"own": {"mine": IMAGES}, "benchmark": {"mine": {"seed": [1]}}}, "benchmark.mine.seed: unknown key; did you"),
        (
            {"own": {"mine": IMAGES}, "datasets": ["mine"], "benchmark": {"mine": {"protocols": ["patient-cv5"]}}},
            "benchmark.mine.protocols: patient-cv5 requires columns.patient",
        ),
        ({"benchmark": {"cardiac-images": {"protocols": ["folds"]}}}, "folds requires patients or folds"),
        ({"ptb_xl": "some/folder"}, "ptb_xl: "),
        ({"ptb_xl": {"source": ""}}, "ptb_xl.source"),
        ({"ptb_xl": {"url": "ftp://x"}}, "ptb_xl.url"),
        ({"ptb_xl": {"fetch": "files", "sha256": "0" * 64}}, "ptb_xl: sha256: fetch: files downloads no archive"),
        ({"labels": {"tie_order": ["FOO"]}}, "tie_order: no superclass: FOO; allowed are NORM"),
        ({"benchmark": {"ptb-xl": {"models": ["swn"]}}}, "no such model; did you mean swin"),
        ({"benchmark": {"ptb-xl": {"models": []}}}, "benchmark.ptb-xl.models"),
        ({"benchmark": {"ptb-xl": {"seeds": [0, 0]}}}, "seeds: 0 occurs twice"),
        ({"benchmark": {"ptb-xl": {"seeds": [-1]}}}, "greater than or equal to 0"),
        ({"datasets": ["ptb-xl", "ptb-xl"]}, "datasets: ptb-xl occurs twice"),
        ({"explain": {"variants": ["swn"]}}, "explain.variants: no such model: swn"),
        ({"variants": {"swin_lgf_fnp": {}}}, "did you mean swin_lgf_fpn"),
        ({"variants": {"swin": {"imgsize": 3}}}, "variants.swin.imgsize: unknown key; did you mean image_size?"),
        ({"variants": {"vit": {"options": {"architecture": "vit_nothing"}}}}, "vit_nothing"),
        ({"variants": {"my_vit": {"options": {"architecture": "vit_nothing"}}}}, "my_vit.options.architecture: no "),
        (
            {"variants": {"a": {"options": {"architecture": "vit"}}, "b": {"options": {"architecture": "a"}}}},
            "b.options.architecture: no such model",  # an architecture is a model, not another user-defined name
        ),
        ({"variants": {"vit": {"options": {"architecture": 5}}}}, "vit.options.architecture: no such model"),
        ({"variants": {"my+vit": {"options": {"architecture": "vit"}}}}, "your own names (letters, digits, _ and .)"),
        ({"variants": {"my_vit": {"image_size": 64}}}, "no such model"),
        ({"model": {"options": {"num_classes": 7}}}, "num_classes cannot be options"),
        ({"variants": {"swin": {"options": True}}}, "variants.swin.options"),
        ({"model": ENDLESS}, "model: Input should be a valid dictionary"),
        ({7: 1}, "7: Keys should be strings"),
        ({"variants": {"swin": {"options": {"pretrained_cfg": "x.pth"}}}}, "pretrained_cfg cannot be options"),
        ({"split": {"validation_fold": 11}}, "split.validation_fold"),
        ({"benchmark": {"ptb-xl": {"models": ["swin+fast"]}}}, "no recipe fast; known are none"),
        ({"recipes": {"fast": {"epoch": 3}}}, "recipes.fast.epoch: unknown key; did you mean epochs?"),
        ({"recipes": {"a b": {}}}, "recipes.a b: names consist of letters"),
        ({"train": {"init_from": "ptb-xl/folds/vit"}}, "train.init_from: set it in a recipe"),
        ({"train": {"schedule": "constant", "continue_from": "a"}}, "train.continue_from: set it in a recipe"),
        (continued(["swin+b"]), "recipes.b.continue_from: benchmark.ptb-xl lacks the run swin+a"),
        (continued(once=["swin+a"]), "lacks the run swin+a, or one of its seeds"),
        (continued(epochs=35), "swin+a must have keep_state: true and fewer epochs"),
        (continued(learning_rate=1e-3), "swin+a differs in learning_rate"),
        (continued(schedule="cosine"), "continue_from requires schedule: constant"),
        ({"tuned": {"swin": {"epoch": 3}}}, "tuned.swin.epoch: unknown key; did you mean epochs?"),
        ({"tuned": {"swim": {}}}, "no such model; did you mean swin"),
        ({"tuned": {"swin": "vit", "vit": "resnet34"}}, "tuned: swin: vit itself copies its keys from resnet34"),
        ({"tuned": {"swin": {"init_from": "ptb-xl/folds/vit"}}}, "tuned.swin.init_from: set it in a recipe"),
        ({"evaluate": {"reference": "swim"}}, "evaluate.reference: no such model: swim; in use: "),
        ({"tuned": {"swin+a": {}}, "recipes": {"a": {}}}, "tuned: swin+a: recipes have no effect here"),
        ({"tuned": {"vit": "swin+a"}, "recipes": {"a": {}}}, "tuned: swin+a: recipes have no effect here"),
        ({"variants": {"swin+a": {}}, "recipes": {"a": {}}}, "variants: swin+a: recipes have no effect here"),
        (
            {"tuning": {"models": ["swin+a"]}, "recipes": {"a": {}}},
            "tuning.models: swin+a: recipes have no effect here",
        ),
        ({"benchmark": {"ptb-xl": {"once": ["swim"]}}}, "swim is not among the models"),
        ({"evaluate": {"planned": [["swin", "swin+x"]]}}, "evaluate.planned: not among the benchmark's models: swin+x"),
        (pretrained("simulated"), "recipes.pre.init_from: must be DATASET/PROTOCOL/MODEL"),
        (pretrained("simulated/patient/vit"), "recipes.pre.init_from: simulated is not among the datasets"),
        (pretrained("cardiac-images/paper/vit"), "the benchmark has no run cardiac-images/paper/vit"),
        (pretrained("cardiac-images/unique/swin+pre"), "itself starts from another run"),
        (pretrained_on_a_continued_training(), "recipes.pre.init_from: simulated/patient/swin+b itself starts from"),
        (pretrained("cardiac-images/unique/swin", seeds=(0, 1)), "benchmark.cardiac-images.seeds lacks 1"),
        (
            merged(
                pretrained("cardiac-images/unique/swin", seeds=(0, 1)),
                {"benchmark": {"cardiac-images": {"seeds": [0, 1], "once": ["swin"]}}},
            ),
            "benchmark.cardiac-images.once has swin, so it lacks 1, a seed of",
        ),
        (pretrained("ptb-xl/folds/vit"), "both runs require the same split"),
        ({"tuning": {"grid": {"train.rate": [1]}}}, "train.rate: no such setting"),
        ({"tuning": {"grid": {"train.continue_from": ["a"]}}}, "train.continue_from: no such setting"),
        ({"tuning": {"grid": {"train.mixup": []}}}, "train.mixup: no values to try"),
        ({"tuning": {"models": ["swin"], "grid": {"train.mixup": [-1]}}}, "tuning.grid: mixup"),
        ({"tuning": {"protocol": "paper"}}, "tuning.protocol: under paper"),
        ({"tuning": {"protocol": "paper-cv5-1"}}, "tuning.protocol: under paper"),
        ({"tuning": {"protocol": "patient-cv5"}}, "tuning.protocol: name one fold of a cross-validation"),
        ({"tuning": {"protocol": "patient-cv5-6"}}, "tuning.protocol: name one fold of a cross-validation"),
        ({"tuning": {"protocol": "patients"}}, "tuning.protocol: 'patients' is not a protocol"),
    ],
)
def test_messages_name_the_key_and_what_is_allowed(change, expected):
    with pytest.raises(ConfigError) as error:
        validate_config(merged(shipped(), change))
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, True),
        ({"labels": {"policy": "multilabel"}}, False),  # only the Challenge's classes need PTB-XL+
        ({"ptb_xl": {"plus": None}}, False),
        ({"datasets": ["ptb-xl"]}, False),
        ({"own": {"genecg": {"kind": "images", "source": "y", "labels": None}}}, False),
    ],
)
def test_ptb_xl_plus_is_not_ignored_for_images_of_ptb_xls_records(change, refused):
    config = {
        "datasets": ["ptb-xl", "genecg"],
        "ptb_xl": {"plus": "x"},
        "labels": {"policy": "multilabel", "grouping": "challenge-2024"},
        "own": {"genecg": {"kind": "images", "source": "y", "labels": "ptb-xl"}},
    } | change
    if not refused:
        assert validate_config(config).datasets == tuple(config["datasets"])
        return
    with pytest.raises(ConfigError, match=r"ptb_xl\.plus: own\.genecg .*remove genecg .* set ptb_xl\.plus to null"):
        validate_config(config)


def test_saved_settings_may_have_keys_that_their_variant_ignores():
    """Else models and runs of earlier versions could not be read."""
    for keys in ({"crop": [0.1, 0.1, 0.1, 0.1], "canny": [10, 20]}, {"variant": "paper", "coverage": 0.5}):
        stored = PreprocessConfig(**keys).model_dump(mode="json")
        assert PreprocessConfig(**stored) == PreprocessConfig(**keys)


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        validate_config({"train": {"epochs": "many", "clip_norm": -1}, "colour": "blue"})
    assert all(key in str(error.value) for key in ("train.epochs", "train.clip_norm", "colour"))


def test_folders_have_no_final_slash_and_may_be_numbers():
    assert validate_config({"results": "r2/"}).results == "r2"
    assert validate_config({"results": "2024"}).results == "2024"
    with pytest.raises(ConfigError, match="has braces"):  # Snakemake's wildcards
        validate_config({"results": "r{2}"})
    with pytest.raises(ConfigError, match="write the whole path"):  # else a folder called ~
        validate_config({"resources": "~/downloads"})


def test_a_variant_overrides_only_its_own_keys():
    config = validate_config({"model": {"in_chans": 3}, "variants": {"vit": {"image_size": 224}}})
    assert config.model_of("vit").image_size == 224
    assert config.model_of("vit").in_chans == 3
    assert config.model_of("swin").image_size == 640


def test_a_user_defined_name_gives_one_architecture_a_second_size():
    large = {"image_size": 960, "options": {"architecture": "resnet34"}}
    change = {
        "variants": {"large": large},
        "benchmark": {"ptb-xl": {"models": ["resnet34", "large+paper"]}},
        "recipes": {"paper": {}},
        "explain": {"variants": ["large"]},
        "tuning": {"models": ["large"]},
    }
    config = validate_config(merged(shipped(), change))
    assert config.model_of("large+paper").image_size == 960
    assert config.model_of("resnet34").image_size == 640


def test_the_reference_page_and_the_schema_are_up_to_date():
    assert (PROJECT / "docs" / "config.md").read_text(encoding="utf-8") == reference()
    assert (PROJECT / "config" / "schema.json").read_text(encoding="utf-8") == schema() + "\n"


@pytest.mark.parametrize("name", ["config.yaml", *(f"config/{name}.yaml" for name in SHIPPED)])
def test_the_schema_fits_the_shipped_files_and_each_names_it(name):
    jsonschema = pytest.importorskip("jsonschema")
    text = (PROJECT / name).read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named and (PROJECT / name).parent.joinpath(named[1]).resolve() == PROJECT / "config" / "schema.json"
    jsonschema.validate(yaml.safe_load(text), json.loads(schema()))


def test_the_schema_refuses_an_unknown_key():
    jsonschema = pytest.importorskip("jsonschema")
    for wrong in ({"train": {"epoch": 3}}, {"recipes": {"a": {"epoch": 3}}}, {"variants": {"vit": {"size": 1}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json.loads(schema()))


def test_a_recipe_changes_only_its_own_keys():
    config = validate_config({"recipes": {"fast": {"epochs": 40}}, "benchmark": {"ptb-xl": {"models": ["vit+fast"]}}})
    assert config.train_of("vit+fast") == config.train.model_copy(update={"epochs": 40})
    assert config.train_of("vit") == config.train
    assert config.model_of("vit+fast") == config.model_of("vit")


@pytest.mark.parametrize("protocol", ["patient", "patient-cv5-1", "folds-cv10-10"])
def test_a_search_uses_one_split(protocol):
    assert validate_config({"tuning": {"protocol": protocol}}).tuning.protocol == protocol


def test_the_points_of_a_grid():
    grid = {"train.learning_rate": [1e-4, "1e-3"], "model.image_size": [128, 224]}
    config = validate_config({"tuning": {"models": ["vit"], "grid": grid}})
    assert len(config.trials) == 4
    trial = config.trials["vit/train.learning_rate=0.001,model.image_size=224"]
    assert (trial.train.learning_rate, trial.model.image_size) == (1e-3, 224)
    some = [validate_config({"tuning": {"models": ["vit"], "grid": grid, "trials": 2}}).trials for _ in range(2)]
    assert some[0] == some[1] and set(some[0]) < set(config.trials) and len(some[0]) == 2
