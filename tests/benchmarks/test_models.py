"""The benchmarks of training steps measure the right things; speeds are not tested."""

import pytest
import torch

from benchmarks import gpu
from benchmarks.models import PLAIN, as_table, build_models, forward_flop, measure_steps, training_step
from ecgpipe.models import create_model
from ecgpipe.models.cost import model_cost

SMALL = {"embed_dim": 24, "depths": (1, 1, 1, 1)}
TOY = {"device": "cpu", "img_size": 64, "batch": 2, "seconds": 0.01}


def test_models_are_as_named():
    with torch.device("meta"):
        models = build_models(640, widths=(64,))
    plain, full = models[PLAIN], models["swin_lgf_fpn"]
    blocks = [block for stage in plain.layers for block in stage.blocks]
    assert all(block.window_size == (7, 7) and not block.attn.fused_attn for block in blocks)
    assert full.backbone.layers[0].blocks[0].window_size == (10, 10)
    assert models["swin_lgf_fpn, neck_width 64"].neck.refine[0].conv.out_channels == 64
    fused = models["swin_lgf_fpn, fused attention"]
    assert fused.backbone.layers[0].blocks[0].attn.fused_attn and not full.backbone.layers[0].blocks[0].attn.fused_attn


def test_step_does_not_accumulate_gradients():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 5))
    step = training_step(model, torch.rand(3, 1, 2, 2))
    step()
    first = model[1].weight.grad.clone()
    step()
    assert torch.equal(model[1].weight.grad, first)


def test_costs_are_relative_to_the_plain_model():
    models = {PLAIN: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5))}
    models["larger"] = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.Linear(64, 5))
    plain, larger = measure_steps(models, torch.rand(2, 1, 8, 8), 2, speed=1e9)
    assert plain.relative_time == plain.relative_gflop == 1.0
    assert plain.gflop == pytest.approx(3 * 2 * 2 * 64 * 5 / 1e9)
    assert plain.lower_bound_ms == pytest.approx(1e3 * plain.gflop)
    assert larger.relative_gflop == pytest.approx((64 * 64 + 64 * 5) / (64 * 5))
    assert larger.relative_time == pytest.approx(larger.min_ms / plain.min_ms)
    assert "| larger | 0.0 |" in as_table([plain, larger])


@pytest.mark.parametrize(("variant", "options"), [("resnet34", {"layers": (1, 1, 1, 1)}), ("swin", SMALL)])
def test_operations_equal_those_of_the_cost_table(variant, options):
    """Also of fused attention, which has no count of its own on a CPU."""
    model = create_model(variant, num_classes=5, img_size=64, **options)
    assert forward_flop(model, torch.rand(1, 1, 64, 64)) == model_cost(variant, 5, 1, 64, **options)["gflops"] * 1e9


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["plain", "swin_lgf_fpn"])
def test_gpu_case_builds_its_model(name, fused):
    built = gpu.build(gpu.Case(name, 7, fused, False, "bf16"), 64, **SMALL)
    block = (built if name == "plain" else built.backbone).layers[0].blocks[0]
    assert block.attn.fused_attn == fused and block.window_size == (7, 7)


@pytest.mark.parametrize("precision", gpu.DTYPES)
def test_gpu_row_at_toy_size_on_the_cpu(precision, monkeypatch):
    monkeypatch.setattr(gpu, "MAX_BATCH", 4)
    row = gpu.measure(gpu.Case("swin_lgf_fpn", 7, True, False, precision), neck_width=8, **TOY, **SMALL)
    assert row["images_per_second"] > 0 and row["best_batch"] in (2, 4) and row["peak_mib"] is None
    assert row["matrix_fraction"] > 0  # toy steps are too short for its value
    assert f"| swin_lgf_fpn | 7 | True | False | {precision} |" in gpu.as_table([row])


def test_gpu_row_out_of_memory(monkeypatch):
    def full(*_args, **_kwargs):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(gpu, "_speed", full)
    row = gpu.measure(gpu.Case("plain", 7, True, False, "tf32"), **TOY, **SMALL)
    assert row["best_batch"] is None and row["images_per_second"] is None
    assert "| - |" in gpu.as_table([row])
