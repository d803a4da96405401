"""The settings of ECG-Image-Kit: each of its options is available or refused with a reason, before any job runs."""

import json
import sys

import pytest

from ecgpipe.config.kit import GENERATOR, REFUSED, KitOptions, find_kit, kit_hash
from ecgpipe.config.pages import RenderConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError
from ecgpipe.render.kit import kit_options
from tests.render.kit_recording import RECORDING
from tests.render.kit_stand_in import stand_in

KIT = {"renderer": "ecg-image-kit", "kit_path": "x"}
RECORDED = {option["dest"]: option for option in json.loads((RECORDING / "options.json").read_text())}


def test_every_option_of_the_kit_is_available_or_refused():
    assert set(RECORDED) == set(KitOptions.model_fields) | set(REFUSED) - {"hws"}  # the kit's short name of another
    assert not set(KitOptions.model_fields) & set(REFUSED)


def test_defaults_are_the_kits():
    ours = {name: field.default for name, field in KitOptions.model_fields.items()}
    kit = {name: RECORDED[name]["default"] for name in ours}
    assert {name for name in ours if ours[name] != kit[name]} == {"seed", "num_columns"}
    assert (kit["seed"], kit["num_columns"]) == (-1, -1)  # not reproducible; 4 for 12 leads


def test_the_kit_knows_every_argument():
    everything = {
        name: True if field.annotation is bool else field.default for name, field in KitOptions.model_fields.items()
    }
    options = KitOptions.model_construct(**everything)
    words = kit_options(RenderConfig(**KIT).model_copy(update={"kit_options": options}))
    flags = {flag for option in RECORDED.values() for flag in option["flags"]}
    assert {word for word in words if word.startswith("-")} <= flags
    assert [words[words.index(name) + 1] for name in ("-r", "--noise", "--full_mode")] == ["200", "50", "II"]
    assert "--remove_lead_names" in kit_options(RenderConfig(**KIT, lead_names=False))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kit_options": {"pad_inches": 1}}, r"pad_inches is not available: the kit pads .* not move its boxes"),
        ({"kit_options": {"hw_text": True}}, r"hw_text is not available: it requires TensorFlow"),
        ({"kit_options": {"calibration_pulse": 0}}, r"calibration_pulse is not available: set render\.pulse"),
        ({"kit_options": {"wrinkels": True}}, r"wrinkels: unknown key; did you mean wrinkles\?"),
        ({"kit_options": {"rotate": 5}}, r"rotate requires augment: true"),
        ({"kit_options": {"crease_angle": 5}}, r"crease_angle requires wrinkles: true"),
        ({"kit_options": {"random_bw": 0.5, "standard_grid_color": 1}}, r"random_bw the kit chooses the colours"),
        ({"kit_options": {"random_grid_color": True, "standard_grid_color": 1}}, r"exclude each other"),
        ({"kit_options": {"print_header": True, "random_print_header": 1}}, r"exclude each other"),
        ({"kit_options": {"num_columns": 2}}, r"num_columns \(2\): with calibration pulses .* pulse: false"),
        ({"kit_options": {"num_columns": 5}}, r"num_columns: .*given: 5"),
        ({"kit_options": {"augment": True}, "lead_names": False}, r"augment: .* fails on pages without lead names"),
        ({"layout": "12x1", "gain": 5}, r"ignores layout, gain; remove what you set"),
        ({"paper_speed": 50}, r"ignores paper_speed"),
        ({"ink": [0, 0, 9]}, r"ignores ink"),
        ({"dpi": 200.5}, r"dpi \(200\.5\): ECG-Image-Kit accepts whole numbers only"),
        ({"degrade": {"level": "scan"}}, r"degrade requires renderer: ecgpipe"),
    ],
)
def test_what_the_kit_cannot_draw_is_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        validate_config({"render": KIT | keys})


def test_options_require_the_kit():
    with pytest.raises(ConfigError, match="kit_options requires renderer: ecg-image-kit"):
        validate_config({"render": {"kit_options": {"augment": True}}})


def test_a_missing_kit_is_noticed_when_the_configuration_is_read(tmp_path):
    tool, here = str(stand_in(tmp_path / "tool")), {"kit_python": sys.executable}
    assert validate_config({"render": KIT | here | {"kit_path": tool}}).render.kit_path == tool
    with pytest.raises(ConfigError, match=r"render\.kit_path x: found no gen_ecg_images_from_data_batch\.py there"):
        validate_config({"render": KIT | here})
    with pytest.raises(ConfigError, match=r"render\.kit_path is not set; give the folder"):
        validate_config({"render": {"renderer": "ecg-image-kit"} | here})
    with pytest.raises(ConfigError, match=r"render\.kit_python .*none: no such program; `make kit-env`"):
        validate_config({"render": KIT | {"kit_path": tool, "kit_python": str(tmp_path / "none")}})
    validate_config({"datasets": ["cardiac-images"], "render": KIT})  # image files are not rendered


def test_the_checkout_or_its_inner_folder(tmp_path):
    inner = stand_in(tmp_path / "checkout" / GENERATOR)
    assert find_kit(str(inner)) == find_kit(str(tmp_path / "checkout")) == inner.resolve()


def test_the_hash_is_that_of_the_code(tmp_path):
    one, two = (str(stand_in(tmp_path / name)) for name in "ab")
    assert kit_hash(one) == kit_hash(two)
    (tmp_path / "b" / "ecg_plot.py").write_text("1\n")
    assert kit_hash(one) != kit_hash(two)


def test_where_the_kit_is_does_not_change_the_appearance():
    changed = {"kit_path": "y", "kit_python": "z", "kit_timeout": 9}
    one, two = RenderConfig(**KIT), RenderConfig(**KIT | changed)
    assert one.appearance == two.appearance
    assert RenderConfig(**one.appearance) == one.model_copy(update={"kit_path": None})
    assert one.appearance != RenderConfig(**KIT, kit_options={"wrinkles": True}).appearance
