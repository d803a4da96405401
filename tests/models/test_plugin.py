"""User-defined models: built from their file, which is never run for a saved model without consent."""

import pytest
import torch

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.cli import main
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models import create_model, load_model
from ecgpipe.models.cam import cam_target
from ecgpipe.models.factory import run_plugin


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The output of `ecgpipe new-model`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    assert main(["new-model", "my-net"]) == 0
    return tmp_path / "my-net"


def test_the_template_is_a_model_of_the_benchmark(folder):
    model = create_model(
        "my_net", num_classes=3, in_chans=1, img_size=64, plugin=str(folder / "my_net.py"), width=4
    ).eval()
    assert model(torch.rand(2, 1, 64, 64)).shape == (2, 3)
    assert cam_target(model).layer is model.stages[2]


def test_a_model_with_another_number_of_outputs_is_refused(folder):
    file = folder / "my_net.py"
    text = file.read_text().replace("nn.Linear(width << 3, num_classes)", "nn.Linear(width << 3, 1)")
    file.write_text(text.replace("def my_net(", "def one_output("))
    with pytest.raises(ConfigError, match=r"'one_output' returns \(1, 1\) for one image; required are logits \(1, 3\)"):
        create_model("one_output", num_classes=3, img_size=64, plugin=str(file))


def test_an_edit_that_is_undone_gives_the_first_model_again(folder):
    """In one session, such as a notebook."""
    file = folder / "my_net.py"
    text = file.read_text()

    def width() -> int:
        return create_model("my_net", num_classes=3, img_size=64, plugin=str(file)).stem.out_channels

    assert width() == 16
    file.write_text(text.replace("width: int = 16", "width: int = 8"))
    assert width() == 8
    file.write_text(text)
    assert width() == 16


def test_it_has_no_imagenet_weights(folder):
    """`model: {pretrained: true}` also applies to it."""
    with pytest.raises(DataError, match=r"SmallNet has no pretrained_cfg.*pretrained to false"):
        create_model("my_net", num_classes=3, img_size=64, plugin=str(folder / "my_net.py"), pretrained=True)


def test_a_configuration_reads_its_names_without_running_it(folder):
    (folder / "my_net.py").write_text((folder / "my_net.py").read_text() + "\nraise RuntimeError('it ran')\n")
    values = {
        "datasets": ["simulated"],
        "variants": {"my_net": {"plugin": "my-net/my_net.py"}},
        "benchmark": {"simulated": {"models": ["my_net", "resnet34"]}},
        "explain": {"variants": ["my_net"]},
    }
    assert validate_config(values).model_of("my_net").plugin == "my-net/my_net.py"
    assert validate_config(values).model_of("resnet34").plugin is None
    values["benchmark"]["simulated"]["models"] = ["my_nett"]
    with pytest.raises(ConfigError, match="did you mean my_net"):
        validate_config(values)
    values["variants"]["my_net"]["plugin"] = "elsewhere.py"
    with pytest.raises(ConfigError, match=r"variants\.my_net\.plugin: no such file 'elsewhere.py'|no such model"):
        validate_config(values)


@pytest.mark.parametrize(
    "values", [{"variants": {"vit": {"plugin": "my-net/my_net.py"}}}, {"model": {"plugin": "my-net/my_net.py"}}]
)
def test_a_file_cannot_take_the_name_of_a_built_in_variant(folder, values):
    """Otherwise the built-in model would be trained in its place."""
    file = folder / "my_net.py"
    validate_config({"model": {"plugin": "my-net/my_net.py"}})
    file.write_text(file.read_text().replace("def my_net(", "def vit("))
    with pytest.raises(ConfigError, match="registers vit, the name of a built-in variant"):
        validate_config(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x = 1\ny = x / 0\n", "line 2: ZeroDivisionError"), ("def f(:\n", "line 1: SyntaxError")],
)
def test_a_failing_file_is_reported_with_its_line(tmp_path, text, expected):
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        run_plugin(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        run_plugin(tmp_path / "none.py")


def test_the_file_of_a_saved_model_is_not_run_without_consent(folder, tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text("from pathlib import Path\nPath('sprung').touch()\n")
    saved = SavedModel(
        variant="resnet18",
        architecture={},
        model=ModelConfig(image_size=64, plugin=str(trap)),
        classes=("a", "b"),
        task="single",
        input={},
        preprocessing=None,
        training={},
    )
    saved.write(tmp_path)
    with pytest.raises(ConfigError, match="--plugin FILE"):
        load_model(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("name", "expected"), [("swin", "already exists"), ("My Net", "a-z, digits")])
def test_invalid_names_are_refused(name, expected, tmp_path, capsys):
    assert main(["new-model", str(tmp_path / "x"), "--name", name]) == 1
    assert expected in capsys.readouterr().err
