"""Values from the command line and from YAML files keep their types."""

import yaml
from snakemake.cli import parse_config

from ecgpipe.config.schema import validate_config
from tests.config.test_config import merged


def test_values_of_the_command_line():
    """Snakemake parses --config into text wherever braces are; the arguments themselves are read as YAML."""
    arguments = [
        "ptb_xl={source: null, sampling_rate: 500, limit: 5}",
        "variants={swin: {options: {drop_rate: 0.2, x: abc, rate: 1e-3}}}",
        'own={mine: {kind: images, source: x, classes: ["01", "02"]}}',
        "strict=true",
    ]
    config = validate_config(parse_config(arguments), arguments)
    assert (config.ptb_xl.source, config.ptb_xl.sampling_rate, config.ptb_xl.limit) == (None, 500, 5)
    assert config.model_of("swin").options == {"drop_rate": 0.2, "x": "abc", "rate": 0.001}
    assert config.own["mine"].classes == ("01", "02")
    assert config.strict


def test_a_command_line_value_overrides_only_its_own_key():
    given = merged({"train": {"epochs": 3, "warmup_epochs": 0}}, parse_config(["train={epochs: 5}"]))
    train = validate_config(given, ["train={epochs: 5}"]).train
    assert (train.epochs, train.warmup_epochs) == (5, 0)


def test_quoted_text_stays_text():
    """In a YAML file quotes make text of a number, of null and of true."""
    values = yaml.safe_load('own: {a: {kind: images, source: x, title: "null", classes: ["01", "02", "true"]}}')
    config = validate_config(values)
    assert config.own["a"].classes == ("01", "02", "true")
    assert config.own["a"].title == "null"
    assert validate_config({"ptb_xl": {"version": "1.0.1", "source": "2024_records"}}).ptb_xl.version == "1.0.1"
