"""Cost of models: against published figures, and by hand."""

import json

import pytest
import torch

from ecgpipe.cli.main import main
from ecgpipe.models import VARIANTS, create_model
from ecgpipe.models.cost import model_cost

# Parameters (millions) and multiply-adds (1e9) at 224 px as timm's model cards print them, for 3 channels and 1000
# classes; mobilevit_s is printed at 256 px.
PUBLISHED = {
    "resnet34": (21.8, 3.7, 224),
    "vit": (22.1, 4.3, 224),
    "mobilevit": (5.6, 2.0, 256),
    "convnext": (28.6, 4.5, 224),
    "swin": (28.3, 4.5, 224),
}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_figures(variant):
    parameters, gmacs, size = PUBLISHED[variant]
    cost = model_cost(variant, num_classes=1000, in_chans=3, img_size=size)
    assert round(cost["parameters"] / 1e6, 1) == parameters
    # The published count leaves out ViT's products of queries, keys and values: 12 layers, 197 tokens, 384 channels.
    uncounted = 2 * 12 * 197**2 * 384 / 1e9 if variant == "vit" else 0.0
    assert cost["gmacs"] - uncounted == pytest.approx(gmacs, abs=0.06)
    assert cost["gflops"] == 2 * cost["gmacs"]


SHALLOW = {"depths": (1, 1, 1, 1)}  # fewer blocks where only the parts around them are compared


@pytest.mark.parametrize("variant", ["resnet34", "swin_lgf_fpn"])
def test_parameters_are_those_of_the_built_model(variant):
    model = create_model(variant, num_classes=5, img_size=96)
    assert model_cost(variant, 5, 1, 96)["parameters"] == sum(p.numel() for p in model.parameters())


def test_ablations_cost_less_than_the_full_model():
    costs = {variant: model_cost(variant, 5, 1, 96, **SHALLOW) for variant in VARIANTS if variant.startswith("swin")}
    full = costs.pop("swin_lgf_fpn")
    assert len(costs) == 4
    for cost in costs.values():
        assert all(cost[key] < full[key] for key in ("parameters", "gmacs", "activation_mib"))


def test_refinement_costs_what_its_convolutions_cost():
    full, without = (model_cost(v, 5, 1, 320, **SHALLOW)["gmacs"] for v in ("swin_lgf_fpn", "swin_lgf_fpn_no_refine"))
    pixels = 80**2 + 40**2 + 20**2 + 10**2
    assert full - without == pytest.approx(pixels * 9 * 256**2 / 1e9)


def test_activation_memory_is_what_autograd_keeps():
    """Count the tensors that a real forward pass saves, by address."""
    kept = {}
    model = create_model("resnet34", num_classes=5, img_size=64).train()

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    sizes = []
    for batch in (1, 2):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model(torch.rand(batch, 1, 64, 64))
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
    assert model_cost("resnet34", 5, 1, 64)["activation_mib"] == pytest.approx((sizes[1] - sizes[0]) / 2**20)


def test_size_may_be_a_rectangle():
    cost = model_cost("resnet34", 5, 1, (224, 160))
    assert (cost["height"], cost["width"]) == (224, 160)
    assert cost["gmacs"] == pytest.approx(model_cost("resnet34", 5, 1, 224)["gmacs"] * 160 / 224, rel=1e-3)


def test_the_command_lists_models_and_sizes(capsys):
    assert main(["models", "resnet34", "resnet18", "--image-size", "64", "96", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["variant"], row["width"]) for row in rows] == [
        (name, size) for name in ("resnet34", "resnet18") for size in (64, 96)
    ]
    assert rows[0] == model_cost("resnet34", 5, 1, 64)
    assert main(["models", "resnet18", "--image-size", "64"]) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert (
        line[:3] == ["resnet18", "64", f"{rows[2]['parameters']:,}"] and line[5] == f"{rows[2]['activation_mib']:.0f}"
    )
    assert main(["models", "resnet19"]) == 1
    assert "resnet18" in capsys.readouterr().err
