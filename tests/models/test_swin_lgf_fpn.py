"""Structure of Swin-LGF-FPN: what each option adds, removes or reroutes."""

import copy

import pytest
import timm
import torch
from timm.data import resolve_data_config
from timm.layers import set_fused_attn, use_fused_attn
from torch.utils.flop_counter import FlopCounterMode

import ecgpipe.models  # noqa: F401  (registers the entry points)
from ecgpipe.errors import ConfigError
from ecgpipe.models.swin_lgf_fpn import SwinLgfFpn, choose_window, fused_window_attention, use_plain_window_attention

# embed_dim 24 keeps the heads (3, 6, 12, 24) and three channels a normalisation group.
SMALL = {"img_size": 96, "embed_dim": 24, "depths": (1, 2, 1, 1), "neck_width": 16, "drop_path_rate": 0.0}


def build(**options):
    torch.manual_seed(3)
    return SwinLgfFpn(**SMALL | options)


def images(batch=2, size=(96, 96), channels=1, seed=5):
    return torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(seed))


def count(model, prefix=""):
    return sum(p.numel() for name, p in model.named_parameters() if name.startswith(prefix))


def test_timm_entry_point_builds_the_published_size():
    model = timm.create_model("swin_lgf_fpn_tiny", pretrained=False, in_chans=1, num_classes=5, img_size=640)
    assert isinstance(model, SwinLgfFpn)
    assert model.backbone.patch_embed.proj.weight.shape == (96, 1, 4, 4)
    assert [len(stage.blocks) for stage in model.backbone.layers] == [2, 2, 6, 2]
    assert [stage.blocks[0].attn.num_heads for stage in model.backbone.layers] == [3, 6, 12, 24]
    assert {block.window_size for stage in model.backbone.layers for block in stage.blocks} == {(10, 10)}
    assert model.neck.refine[0].conv.weight.shape == (256, 256, 3, 3)


def test_default_cfg_declares_no_normalisation():
    config = resolve_data_config(model=timm.create_model("swin_lgf_fpn_tiny", **SMALL))
    assert (config["mean"], config["std"], config["crop_pct"]) == ((0.0,), (1.0,), 1.0)


def test_features_only_returns_the_pyramid():
    features = timm.create_model(
        "swin_lgf_fpn_tiny", features_only=True, out_indices=(0, 2), in_chans=1, **SMALL
    ).eval()
    assert features.feature_info.channels() == [16, 16]
    assert features.feature_info.reduction() == [4, 16]
    x = images()
    expected = features.model.forward_features(x)
    ours = features(x)
    assert torch.equal(ours[0], expected[0]) and torch.equal(ours[1], expected[2])


@pytest.mark.parametrize("size", [(96, 96), (128, 128), (64, 160), (100, 132)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_pyramid_shapes(size):
    model = build(img_size=size).eval()
    pyramid = model.forward_features(images(1, size))
    sides = [(size[0] // 4, size[1] // 4)]
    for _ in range(3):
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    assert [tuple(level.shape) for level in pyramid] == [(1, 16, *side) for side in sides]
    assert model(images(1, size)).shape == (1, 5)


@pytest.mark.parametrize("fpn", [True, False])
@pytest.mark.parametrize("placement", ["inline", "side"])
@pytest.mark.parametrize("gate", ["pixel", "column"])
def test_gradients_reach_every_parameter(fpn, placement, gate):
    model = build(fpn=fpn, lgf_placement=placement, ata_gate=gate).train()
    torch.nn.functional.cross_entropy(model(images(4)), torch.arange(4)).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not without


def test_removing_a_component_removes_exactly_its_parameters():
    full = build()
    lgf = build(lgf=False)
    assert count(full, "lgf") > 0 and count(full) - count(lgf) == count(full, "lgf")
    refine = build(refine=False)
    assert count(full, "neck.refine") > 0 and count(full) - count(refine) == count(full, "neck.refine")
    neckless = build(fpn=False)
    assert count(neckless, "neck") == 0 and not hasattr(neckless.head.fusion, "logits")
    assert neckless.head.norm.normalized_shape == (8 * 24,)
    assert count(neckless, "lgf") == count(full, "lgf")
    backbone = count(full, "backbone")
    assert all(count(model, "backbone") == backbone for model in (lgf, refine, neckless))


def test_side_without_a_neck_builds_only_the_last_module():
    model = build(fpn=False, lgf_placement="side")
    assert [count(model, f"lgf.{i}") > 0 for i in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("placement", ["inline", "side"])
def test_lgf_placement_selects_the_input_of_the_next_stage(placement):
    model = build(lgf_placement=placement).eval()
    inputs, outputs = [], []

    def record(_, args, output):
        inputs.append(args[0])
        outputs.append(output)

    for stage in model.backbone.layers:
        stage.register_forward_hook(record)
    maps = model.forward_stages(images())
    for i in range(3):
        enhanced = maps[i].permute(0, 2, 3, 1)
        assert torch.equal(inputs[i + 1], enhanced if placement == "inline" else outputs[i])
        assert not torch.equal(enhanced, outputs[i])


def test_lgf_with_zero_gain_starts_as_the_identity():
    plain = build(lgf=False, fpn=False).eval()
    gated = build(fpn=False, lgf_init_gain=0.0).eval()
    gated.backbone.load_state_dict(plain.backbone.state_dict())
    for ours, expected in zip(gated.forward_stages(images()), plain.forward_stages(images()), strict=True):
        assert torch.equal(ours, expected)


def test_stages_without_lgf_are_those_of_timm():
    model = build(lgf=False).eval()
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=96, in_chans=1, embed_dim=24, depths=(1, 2, 1, 1), window_size=7
    ).eval()
    swin.load_state_dict(model.backbone.state_dict(), strict=False)
    expected = swin.forward_intermediates(images(), intermediates_only=True)
    for ours, theirs in zip(model.forward_stages(images()), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "window"),
    [(640, (10, 10)), (320, (10, 10)), (256, (8, 8)), (224, (7, 7)), (96, (7, 7)), ((224, 160), (7, 10))],
)
def test_window_choice(size, window):
    assert choose_window(size) == window


@pytest.mark.parametrize("side", range(96, 641, 32))
def test_chosen_window_pads_only_when_none_of_the_three_fits(side):
    def pads(window):
        return any(grid > window and grid % window for grid in (side // 4, side // 8, side // 16, side // 32))

    chosen = choose_window(side)[0]
    fitting = [window for window in (10, 8, 7) if not pads(window)]
    assert chosen == (fitting[0] if fitting else 7)


def test_attention_is_fused_and_the_global_setting_is_restored():
    before = use_fused_attn(), use_fused_attn(experimental=True)
    model = build()
    assert all(block.attn.fused_attn for stage in model.backbone.layers for block in stage.blocks)
    assert (use_fused_attn(), use_fused_attn(experimental=True)) == before == (True, False)


def test_fused_attention_switched_off_by_the_user_stays_off():
    set_fused_attn(False)
    try:
        with fused_window_attention():
            assert not use_fused_attn(experimental=True)
        assert not use_fused_attn()
        unfused = build().eval()
    finally:
        set_fused_attn(True)
    fused = build().eval()
    assert not unfused.backbone.layers[0].blocks[0].attn.fused_attn
    torch.testing.assert_close(unfused(images()), fused(images()), rtol=1e-4, atol=1e-5)


def test_compression_does_not_compute_the_constant_half_per_pixel():
    model = build(fpn=False).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.lgf[0](torch.rand(1, 20, 30, 24))
    pixels, channels = 20 * 30, 24
    depthwise, pointwise, compress, gate = 9 * channels, channels**2, channels**2, 2 * channels**2
    once = 2 * channels**2
    assert counter.get_total_flops() == 2 * (pixels * (depthwise + pointwise + compress + gate) + once)


def test_plain_attention_trains_as_the_fused_one():
    """Logits and gradients agree within rounding, and the fused operator is really not called."""
    fused = build().eval()
    plain = copy.deepcopy(fused)
    use_plain_window_attention(plain)
    logits, gradients = [], []
    for model in (fused, plain):
        with torch.profiler.profile() as profile:
            result = model(images())
            result.square().sum().backward()
        called = {event.key for event in profile.key_averages()}
        assert ("aten::scaled_dot_product_attention" in called) == (model is fused)
        logits.append(result.detach())
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    torch.testing.assert_close(logits[1], logits[0], rtol=1e-4, atol=1e-5)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-3 * gradient.abs().max().item())


@pytest.mark.parametrize(
    "options",
    [
        {"lgf_placement": "between"},
        {"ata_gate": "row"},
        {"img_size": 98},
        {"img_size": 16},
        {"architecture": "resnet18"},
    ],
)
def test_invalid_options_are_refused(options):
    with pytest.raises((ConfigError, TypeError), match=str(next(iter(options.values())))):
        build(**options)


def test_classifier_can_be_replaced():
    model = build().eval()
    features = model.forward_head(model.forward_features(images()), pre_logits=True)
    model.reset_classifier(3)
    assert model.num_classes == 3 and model(images()).shape == (2, 3)
    assert torch.equal(model.get_classifier()(features), model(images()))


def test_gradient_checkpointing_gives_the_same_output():
    model = build().train()
    model.head.drop.p = 0.0
    expected = model(images())
    model.set_grad_checkpointing()
    ours = model(images())
    torch.testing.assert_close(ours, expected)


def test_no_weight_decay_names_exist():
    model = build()
    names = dict(model.named_parameters())
    assert model.no_weight_decay() <= names.keys()
    assert "head.fusion.logits" in model.no_weight_decay()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_training_under_autocast_has_finite_gradients(dtype):
    model = build().train()
    with torch.autocast("cpu", dtype=dtype):
        logits = model(images())
    loss = torch.nn.functional.cross_entropy(logits.float(), torch.tensor([1, 3]))
    (loss * 1024).backward()  # scaled, as fp16 training does
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
