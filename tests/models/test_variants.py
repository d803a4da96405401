"""The nine variants and another model of timm, built by create_model."""

import itertools

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from ecgpipe.config.models import VARIANTS as NAMES
from ecgpipe.errors import ConfigError
from ecgpipe.models import VARIANTS, create_model
from ecgpipe.models.cam import cam_target

# Narrow or shallow forms of the same architectures, for tests in which the size proves nothing.
THIN = {
    "resnet34": {"layers": (1, 1, 1, 1)},
    "vit": {"embed_dim": 96, "depth": 3},
    "convnext": {"dims": (24, 48, 96, 192), "depths": (1, 1, 2, 1)},
    "swin": {"embed_dim": 24, "depths": (2, 2, 2, 2)},
}


def build(variant, img_size=64, seed=3, **options):
    torch.manual_seed(seed)
    return create_model(variant, num_classes=5, img_size=img_size, **options)


def build_thin(variant, **options):
    return build(variant, **options, **THIN.get("swin" if variant.startswith("swin") else variant, {}))


def images(batch=2, size=(64, 64), channels=1, seed=5):
    return torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=[*NAMES, "efficientnet_b0"])
def small(request):
    """A variant at 64 px in eval mode, shared by tests that do not change it."""
    return request.param, build_thin(request.param).eval()


def test_the_configuration_knows_the_same_variants():
    assert tuple(VARIANTS) == NAMES


def test_batch_of_one_and_determinism(small):
    _, model = small
    with torch.no_grad():
        together, again, alone = model(images(3)), model(images(3)), model(images(3)[:1])
    assert together.shape == (3, 5) and model.num_classes == 5
    assert torch.equal(together, again)
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_finite_logits_near_the_exact_ones(small, dtype):
    _, model = small
    with torch.no_grad():
        exact = model(images())
        with torch.autocast("cpu", dtype=dtype):
            mixed = model(images())
    assert torch.isfinite(mixed).all()
    assert (mixed.float() - exact).abs().max() < 0.1 * max(1.0, exact.abs().max())


def test_weights_survive_safetensors(small, tmp_path):
    name, model = small
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = build_thin(name, seed=99).eval()
    with torch.no_grad():
        expected = model(images())
        assert not torch.allclose(other(images()), expected)
        other.load_state_dict(load_file(tmp_path / "model.safetensors"))
        assert torch.equal(other(images()), expected)


def test_cam_target_has_maps_and_a_gradient(small):
    name, model = small
    target = cam_target(model)
    kept = {}

    def keep(_, __, output):
        output.retain_grad()
        kept["features"] = output

    hook = target.layer.register_forward_hook(keep)
    model(images())[:, 1].sum().backward()
    hook.remove()
    maps, gradients = target.to_nchw(kept["features"]), target.to_nchw(kept["features"].grad)
    side = {"vit": 4, "swin_lgf_fpn": 16, "swin_lgf_fpn_no_lgf": 16, "swin_lgf_fpn_no_refine": 16}.get(name, 2)
    assert maps.shape == gradients.shape and maps.shape[0] == 2 and maps.shape[2:] == (side, side)
    assert gradients.abs().max() > 0


@pytest.mark.parametrize("name", ["resnet34", "vit", "swin", "convnext", "mobilevit", "swin_lgf_fpn"])
def test_cam_maps_have_the_orientation_of_the_image(name):
    """A change at the top right of the image changes the map most at the top right."""
    size = (128, 192)  # not square: swapped axes would show
    model = build_thin(name, img_size=size).eval()
    target = cam_target(model)
    kept = []
    target.layer.register_forward_hook(lambda _, __, output: kept.append(target.to_nchw(output)))
    x = images(1, size)
    changed = x.clone()
    changed[:, :, :32, -32:] = 1 - changed[:, :, :32, -32:]
    with torch.no_grad():
        model(x)
        model(changed)
    difference = (kept[1] - kept[0]).abs().mean(dim=1)[0]
    row, column = divmod(int(difference.argmax()), difference.shape[1])
    assert row < difference.shape[0] / 2 and column >= difference.shape[1] / 2


def test_cam_of_vit_leaves_the_class_token_out():
    model = build_thin("vit", img_size=(32, 48))
    tokens = torch.arange(7.0).reshape(1, 7, 1)  # the class token, then two rows of three patches
    assert cam_target(model).to_nchw(tokens).tolist() == [[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]


def test_cam_level_selects_the_pyramid_level():
    model = build_thin("swin_lgf_fpn").eval()
    assert [cam_target(model, level).layer for level in range(4)] == list(model.neck.refine)
    with pytest.raises(ConfigError, match="level 4"):
        cam_target(model, 4)


def test_cam_of_an_architecture_without_maps_is_refused():
    with pytest.raises(ConfigError, match="Linear"):
        cam_target(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("name", NAMES)
def test_real_size_on_a_large_page_that_is_not_square(name):
    with torch.device("meta"):  # shapes only
        model = build(name, img_size=(640, 480), in_chans=3)
        assert model(torch.empty(2, 3, 640, 480)).shape == (2, 5)


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_parameter_and_lowers_the_loss(name):
    model = build_thin(name, drop_path_rate=0.0, drop_rate=0.0).train()
    x, y = torch.zeros(4, 1, 64, 64), torch.arange(4)
    for label in range(4):  # the class is the bright quarter of the image
        x[label, :, label // 2 * 32 :, label % 2 * 32 :] = 1.0
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses, reached = [], set()
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        # not all at the first step: timm starts residual branches at zero
        reached |= {key for key, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimiser.step()
    assert reached == dict(model.named_parameters()).keys()
    assert losses[-1] < losses[0] - 0.1


def test_variants_differ():
    with torch.device("meta"):
        shapes = {name: sorted(p.shape for p in build(name).parameters()) for name in NAMES}
    assert all(shapes[a] != shapes[b] for a, b in itertools.combinations(NAMES, 2))


def test_the_architecture_option_replaces_the_default():
    assert build("vit", architecture="vit_tiny_patch16_224").embed_dim == 192
    small_swin = build("swin_lgf_fpn", architecture="swin_small_patch4_window7_224")
    assert len(small_swin.backbone.layers[2].blocks) == 18


@pytest.mark.parametrize("stands_for", ["resnet18", "swin_lgf_fpn"])
def test_a_new_name_builds_the_model_of_its_architecture(stands_for):
    own, known = build("my_model", architecture=stands_for), build(stands_for)
    assert type(own) is type(known)
    shapes = [{key: tensor.shape for key, tensor in model.state_dict().items()} for model in (own, known)]
    assert shapes[0] == shapes[1]
    with pytest.raises(ConfigError, match="'my_model' cannot be built with"):
        build("my_model", architecture=stands_for, wings=2)
    with pytest.raises(ConfigError, match="resnet9000"):
        build("my_model", architecture="resnet9000")


def test_swin_baseline_gets_the_window_and_attention_of_the_full_model():
    with torch.device("meta"):
        baseline = build("swin", img_size=640)
    blocks = [block for stage in baseline.layers for block in stage.blocks]
    assert all(block.window_size == (10, 10) and block.attn.fused_attn for block in blocks)


def test_position_embedding_of_vit_fits_its_input():
    assert build("vit", img_size=(96, 160)).pos_embed.shape == (1, 1 + 6 * 10, 384)


@pytest.mark.parametrize(
    ("wrong", "suggestion"),
    [("swin_lgf_fnp", "swin_lgf_fpn"), ("resnet35", "resnet34"), ("vit_small_patch16_225", "vit_small_patch16_224")],
)
def test_an_unknown_name_suggests_similar_ones(wrong, suggestion):
    with pytest.raises(ConfigError, match=f"(?s){wrong}.*{suggestion}"):
        build(wrong)


def test_unknown_architecture_and_option_are_refused():
    with pytest.raises(ConfigError, match="resnet_34"):
        build("resnet34", architecture="resnet_34")
    with pytest.raises(ConfigError, match="neck_width"):
        build("resnet34", neck_width=256)
    with pytest.raises(ConfigError, match="neck_wdth"):
        build("swin_lgf_fpn", neck_wdth=256)


def test_none_means_the_default():
    model = build_thin("swin_lgf_fpn", window_size=None, neck_width=None, drop_rate=None)
    assert model.neck.refine[0].conv.out_channels == 256
    swin = build_thin("swin", img_size=160, window_size=None, architecture=None)
    assert swin.layers[0].blocks[0].window_size == (10, 10)


def test_a_timm_name_builds_the_model_of_timm():
    ours = build("resnet18").eval()
    theirs = timm.create_model("resnet18", num_classes=5, in_chans=1).eval()
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(images()), theirs(images()))
    assert ours.pretrained_report is None
