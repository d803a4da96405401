"""LGF modules, pyramid and head on backbones of timm other than Swin."""

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import adapt_input_conv

from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError
from ecgpipe.models import create_model
from ecgpipe.models.cam import cam_target

BACKBONES = ["resnet18", "convnext_atto", "mobilevit_xxs", "regnety_002"]


def build(backbone="resnet18", **options):
    torch.manual_seed(3)
    options = {"num_classes": 5, "img_size": 64, "neck_width": 16} | options
    return create_model("lgf_fpn", backbone=backbone, **options).eval()


def images(channels=1):
    return torch.rand(2, channels, 64, 96, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_stages_without_lgf_are_those_of_timm(backbone):
    model = build(backbone, lgf=False)
    # ResNet has a map at stride 2, too, which the neck does not read
    theirs = timm.create_model(backbone, features_only=True, in_chans=1).eval()
    theirs.load_state_dict(model.backbone.state_dict())
    with torch.no_grad():
        expected = theirs(images())[-4:]
        found = model.forward_stages(images())
    assert [tuple(level.shape[-2:]) for level in found] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    for ours, level in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, level)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_classifies_and_gradients_reach_every_parameter(backbone):
    model = build(backbone).train()
    logits = model(images())
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not unused


def test_inline_feeds_the_next_stage_and_side_does_not():
    inline, side = build(), build(lgf_placement="side")
    side.load_state_dict(inline.state_dict())
    plain = build(lgf=False)
    plain.load_state_dict(inline.state_dict(), strict=False)
    with torch.no_grad():
        of_inline, of_side, of_plain = (model.forward_stages(images()) for model in (inline, side, plain))
        first = inline.lgf[0](of_plain[0].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        second = side.lgf[1](of_plain[1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        fed = inline.backbone.layer2(first)
    torch.testing.assert_close(of_inline[0], first)
    torch.testing.assert_close(of_side[0], first)
    torch.testing.assert_close(of_side[1], second)
    torch.testing.assert_close(of_inline[1], inline.lgf[1](fed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    assert not torch.allclose(of_inline[1], of_side[1])


def test_each_ablation_removes_exactly_its_parameters():
    full = {name for name, _ in build().named_parameters()}
    missing = {
        option: full - {name for name, _ in build(**{option: False}).named_parameters()}
        for option in ("lgf", "fpn", "refine")
    }
    assert missing["lgf"] == {name for name in full if name.startswith("lgf.")}
    assert missing["refine"] == {name for name in full if name.startswith("neck.refine.")}
    assert missing["fpn"] == {name for name in full if name.startswith("neck.")} | {"head.fusion.logits"}


def test_options_of_the_backbone_are_passed_on():
    model = build(channels=(16, 32, 64, 128))
    assert [stage["num_chs"] for stage in model.backbone.feature_info.get_dicts()] == [16, 32, 64, 128]


def test_a_backbone_without_single_stages_needs_the_side_placement():
    with pytest.raises(ConfigError, match=r"efficientnet_b0.*lgf_placement: side"):
        build("efficientnet_b0")
    model = build("efficientnet_b0", lgf_placement="side")
    assert model(images()).shape == (2, 5)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("vit_tiny_patch16_224", "strides 16, 16, 16; needed are 4, 8, 16 and 32"),
        ("swin_tiny_patch4_window7_224", "swin_lgf_fpn with the option architecture"),
        ("resnet1", "unknown backbone 'resnet1'"),
    ],
)
def test_other_backbones_are_refused(backbone, message):
    with pytest.raises(ConfigError, match=message):
        build(backbone)


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match="neck_widht"):
        build(neck_widht=3)


def test_pretrained_weights_reach_the_backbone(tmp_path):
    torch.manual_seed(11)
    published = timm.create_model("convnext_atto")
    save_file(published.state_dict(), tmp_path / "weights.safetensors")
    model = build("convnext_atto", pretrained=True, weights=str(tmp_path / "weights.safetensors"))
    with torch.no_grad():  # a stem for one channel sums the weights of the colours
        colour = published.state_dict()
        colour["stem.0.weight"] = adapt_input_conv(1, colour["stem.0.weight"])
        grey = timm.create_model("convnext_atto", in_chans=1, num_classes=0)
        grey.load_state_dict(colour, strict=False)
        expected = grey.eval().forward_intermediates(images(), intermediates_only=True)
        plain = build("convnext_atto", lgf=False)
        plain.backbone.load_state_dict(model.backbone.state_dict())
        found = plain.forward_stages(images())
    torch.testing.assert_close(found[-1], expected[-1])
    report = model.pretrained_report
    assert report.matched == report.total > 100 and not report.missing


def test_timm_s_registry_loads_pretrained_weights_too(tmp_path):
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "weights.safetensors")
    overlay = {"file": str(tmp_path / "weights.safetensors")}
    model = timm.create_model("lgf_fpn", backbone="resnet18", pretrained=True, pretrained_cfg_overlay=overlay)
    expected = load_file(tmp_path / "weights.safetensors")["layer3.0.conv1.weight"]
    assert torch.equal(model.backbone.layer3[0].conv1.weight, expected)


def test_a_configuration_names_it():
    values = {
        "datasets": ["simulated"],
        "variants": {"resnet18_lgf": {"options": {"architecture": "lgf_fpn", "backbone": "resnet18", "fpn": False}}},
        "benchmark": {"simulated": {"models": ["resnet18_lgf"]}},
    }
    settings = validate_config(values).model_of("resnet18_lgf")
    model = create_model("resnet18_lgf", num_classes=2, img_size=64, **settings.options)
    assert model.neck is None and model.num_features == 512
    assert cam_target(model).layer is model.lgf[-1]
