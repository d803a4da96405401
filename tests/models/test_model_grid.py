"""ResNets with a grid: their body is timm's, and what they read says where it was."""

import numpy as np
import pytest
import timm
import torch

from ecgpipe.config.benchmark import validate_config
from ecgpipe.errors import ConfigError
from ecgpipe.models import create_model
from ecgpipe.models.grid import GridPool


def build(**options):
    torch.manual_seed(1)
    return create_model("resnet18_grid", num_classes=5, img_size=128, **options).eval()


def test_each_cell_is_the_mean_of_its_own_part():
    pool = GridPool(3, 2, (2, 4)).eval()
    maps = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(2))
    weights = pool.conv.weight.detach().numpy()[:, :, 0, 0]
    kept = np.maximum(np.einsum("kc,chw->khw", weights, maps[0].numpy()) / np.sqrt(1 + pool.norm.eps), 0)
    expected = [
        kept[k, 3 * r : 3 * r + 3, 2 * c : 2 * c + 2].mean() for k in range(2) for r in range(2) for c in range(4)
    ]
    np.testing.assert_allclose(pool(maps)[0].detach().numpy(), expected, rtol=1e-5)


def test_its_body_is_timms_and_takes_its_weights():
    ours, theirs = build(), timm.create_model("resnet18", num_classes=5, in_chans=1).eval()
    left = ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc")}, strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith(("fc.", "global_pool.")) for key in left.missing_keys)
    images = torch.rand(2, 1, 128, 128)
    torch.testing.assert_close(ours.forward_features(images), theirs.forward_features(images))


def test_a_mark_counts_by_where_it_is():
    """The same mark in another lead is another vector, and of another lead's cells; a global mean cannot tell them."""
    pool = GridPool(1, 1, (4, 4)).eval()
    torch.nn.init.ones_(pool.conv.weight)
    maps = torch.zeros(2, 1, 8, 8)
    maps[0, 0, 0, 0] = maps[1, 0, 5, 6] = 1
    first, second = pool(maps)
    assert first.nonzero().tolist() == [[0]] and second.nonzero().tolist() == [[2 * 4 + 3]]


def test_options_classes_and_features():
    model = build(grid=(3, 4), grid_width=8)
    images = torch.rand(2, 1, 128, 128)
    features = model.forward_head(model.forward_features(images), pre_logits=True)
    assert features.shape == (2, 3 * 4 * 8)
    torch.testing.assert_close(model.get_classifier()(features), model(images))
    model.reset_classifier(2)
    assert model(images).shape == (2, 2)
    model.reset_classifier(0)
    torch.testing.assert_close(model(images), features)


@pytest.mark.parametrize("options", [{"grid": (0, 4)}, {"grid": (4,)}, {"grid_width": 0}])
def test_what_is_not_a_grid_is_refused(options):
    with pytest.raises(ConfigError, match="grid"):
        build(**options)


def test_a_configuration_may_name_it_and_its_options():
    values = {
        "datasets": ["simulated"],
        "variants": {"resnet18_grid": {"options": {"grid": [3, 4]}}},
        "benchmark": {"simulated": {"models": ["resnet18_grid", "resnet34_grid"]}},
        "explain": {"variants": []},
    }
    assert validate_config(values).model_of("resnet18_grid").options == {"grid": (3, 4)}
    values["benchmark"]["simulated"]["models"] = ["resnet18_gird"]
    with pytest.raises(ConfigError, match="resnet18_grid"):
        validate_config(values)
