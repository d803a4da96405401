"""The benchmark of training steps measures what it says; its figures are not judged here."""

import pytest
import torch

from ecgpipe.bench import gpu_grid
from ecgpipe.bench.training_step import PLAIN, StepCost, as_text, contestants, forward_flop, measure_steps, step_of
from ecgpipe.models import create_model
from ecgpipe.models.cost import model_cost

SMALL = {"embed_dim": 24, "depths": (1, 1, 1, 1)}


def test_contestants_are_what_their_names_say():
    with torch.device("meta"):
        models = contestants(640, widths=(64,))
    plain, ours = models[PLAIN], models["swin_lgf_fpn"]
    blocks = [block for stage in plain.layers for block in stage.blocks]
    assert all(block.window_size == (7, 7) and not block.attn.fused_attn for block in blocks)
    assert ours.backbone.layers[0].blocks[0].window_size == (10, 10)
    assert models["swin_lgf_fpn, neck_width 64"].neck.refine[0].conv.out_channels == 64


def test_a_step_gives_every_parameter_a_fresh_gradient():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 5))
    step = step_of(model, torch.rand(3, 1, 2, 2))
    step()
    first = model[1].weight.grad.clone()
    step()
    assert torch.equal(model[1].weight.grad, first)  # not added to the one before


def test_rows_are_relative_to_the_plain_model(monkeypatch):
    small = {PLAIN: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5))}
    small["twice"] = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.Linear(64, 5))
    monkeypatch.setattr("ecgpipe.bench.training_step.contestants", lambda *_: small)
    plain, twice = measure_steps(8, 2, 2, rate=1e9)
    assert plain.ratio == plain.work == 1.0
    assert plain.gflop == pytest.approx(3 * 2 * 2 * 64 * 5 / 1e9) and plain.floor_ms == pytest.approx(1e3 * plain.gflop)
    assert twice.work == pytest.approx((64 * 64 + 64 * 5) / (64 * 5))
    assert "| twice | 0.0 |" in as_text([plain, twice])
    assert isinstance(twice, StepCost) and twice.ratio == pytest.approx(twice.least_ms / plain.least_ms)


@pytest.mark.parametrize(("variant", "options"), [("resnet34", {"layers": (1, 1, 1, 1)}), ("swin", SMALL)])
def test_operations_are_those_of_the_cost_table(variant, options):
    """Also those of the fused attention, which has no count of its own on a CPU."""
    model = create_model(variant, num_classes=5, img_size=64, **options)
    assert forward_flop(model, torch.rand(1, 1, 64, 64)) == model_cost(variant, 5, 1, 64, **options)["gflops"] * 1e9


def test_grid_covers_every_combination():
    cases = gpu_grid.cases()
    assert len(cases) == len(set(cases)) == 2 * 2 * 2 * 2 * 3


@pytest.mark.parametrize("fused", [False, True])
def test_case_builds_what_it_says(fused):
    for model in ("plain", "swin_lgf_fpn"):
        case = gpu_grid.Case(model, 7, fused, False, "bf16")
        built = gpu_grid.build(case, 64, **SMALL)
        block = (built if model == "plain" else built.backbone).layers[0].blocks[0]
        assert block.attn.fused_attn == fused and block.window_size == (7, 7)


@pytest.mark.parametrize("precision", gpu_grid.PRECISIONS)
def test_a_row_at_toy_size_on_the_cpu(precision):
    case = gpu_grid.Case("swin_lgf_fpn", 7, True, False, precision)
    row = gpu_grid.measure(case, device="cpu", img_size=64, batch=2, seconds=0.01, limit=4, neck_width=8, **SMALL)
    assert row["images_per_second"] > 0 and row["best_batch"] in (2, 4) and row["peak_mib"] is None
    assert row["floor_share"] > 0  # toy steps are too short to say how much
    assert f"| swin_lgf_fpn | 7 | True | False | {precision} |" in gpu_grid.as_text([row])


def test_memory_that_does_not_do_is_no_failure(monkeypatch):
    def full(*_args, **_kwargs):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(gpu_grid, "_throughput", full)
    row = gpu_grid.measure(gpu_grid.Case("plain", 7, True, False, "tf32"), device="cpu", img_size=64, batch=2, **SMALL)
    assert row["best_batch"] is None and row["images_per_second"] is None
    assert "| - |" in gpu_grid.as_text([row])
