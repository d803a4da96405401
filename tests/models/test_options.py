"""Options of a run's configuration reach the model and change it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError
from ecgpipe.models import create_model
from ecgpipe.models.factory import build_model

SMALL = {"embed_dim": 24, "depths": [2, 1, 1, 1], "neck_width": 16}


def build(in_chans=1, image_size=64, **options):
    settings = ModelConfig(
        image_size=image_size, in_chans=in_chans, options={k: v for k, v in (SMALL | options).items() if k != "depths"}
    )
    # a configuration has no lists; depths only makes the model small
    settings = settings.model_copy(update={"options": settings.options | {"depths": SMALL["depths"]}})
    run = RunConfig(
        dataset="d",
        protocol="p",
        variant="swin_lgf_fpn",
        seed=0,
        classes=("a", "b", "c"),
        task="single",
        images=(),
        model=settings,
        train=TrainConfig(),
    )
    torch.manual_seed(0)
    return build_model(run)


def images(channels=1, size=64):
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(5))


def logits(model, channels=1):
    with torch.no_grad():
        return model.eval()(images(channels))


@pytest.mark.parametrize("options", [{"lgf_placement": "side"}, {"ata_gate": "column"}, {"norm_groups": 1}])
def test_options_that_reroute_the_same_weights(options):
    default, other = build(), build(**options)
    other.load_state_dict(default.state_dict())
    assert not torch.allclose(logits(default), logits(other), atol=1e-5)


@pytest.mark.parametrize("window", [7, 8, 10])
def test_window(window):
    model = build(window_size=window, image_size=128)  # a grid of 32 patches: no window of these holds it all
    block = model.backbone.layers[0].blocks[1]
    assert block.window_size == (window, window)
    assert block.attn.relative_position_bias_table.shape[0] == (2 * window - 1) ** 2
    assert torch.isfinite(model.eval()(images(size=128))).all()


def test_neck_width():
    assert [level.shape[1] for level in build(neck_width=40).forward_features(images())] == [40] * 4


@pytest.mark.parametrize("channels", [1, 3])
def test_input_channels(channels):
    model = build(in_chans=channels)
    assert model.backbone.patch_embed.proj.in_channels == channels
    assert logits(model, channels).shape == (2, 3)


def test_drop_path():
    still, dropping = (build(drop_path_rate=rate, drop_rate=0.0).train() for rate in (0.0, 0.9))

    def varies(model):
        with torch.no_grad():
            return not torch.allclose(model(images()), model(images()), atol=1e-6)

    assert dropping.backbone.layers[-1].blocks[-1].drop_path1.drop_prob == pytest.approx(0.9)
    assert varies(dropping) and not varies(still)


class Copies(TorchDispatchMode):
    """Counts the operators that copy a tensor."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in (torch.ops.aten.clone, torch.ops.aten.copy_, torch.ops.aten._to_copy):
            self.count += 1
        return function(*args, **(kwargs or {}))


def copies(**options):
    model = build(**options).eval()
    with torch.no_grad(), Copies() as counted:
        model(images())
    return counted.count


def test_lgf_modules_and_neck_copy_no_map():
    plain = copies(lgf=False, fpn=False)
    assert plain > 0  # windows are cut and joined by copying: the counter counts
    assert copies() == copies(fpn=False) == copies(lgf=False) == plain


FAMILIES = (
    "efficientnet_b0",
    "regnety_002",
    "deit3_small_patch16_224",
    "beit_base_patch16_224",
    "maxvit_tiny_rw_224",
    "coatnet_0_rw_224",
    "eva02_tiny_patch14_224",
    "swinv2_tiny_window8_256",
    "poolformer_s12",
    "resnetv2_50",
    "mixer_s16_224",
    "xcit_tiny_12_p8_224",
    "vgg11_bn",
    "levit_128s",
    "hiera_tiny_224",
    "swin_s3_tiny_224",
)


@pytest.mark.parametrize("size", [(640, 640), (650, 490)], ids=["640", "odd"])
@pytest.mark.parametrize("name", FAMILIES)
def test_other_families_work_or_fail_with_a_short_message(name, size):
    try:
        with torch.device("meta"):
            model = create_model(name, num_classes=5, in_chans=1, img_size=size)
            assert model(torch.empty(2, 1, *size)).shape == (2, 5)
    except ConfigError as error:
        message = str(error)
        assert name in message and "\n" not in message and len(message) < 400
        assert "image" in message or "img_size" in message


def test_a_size_that_an_architecture_refuses_fails_at_construction():
    with pytest.raises(ConfigError, match=r"crossvit_9_240.*640 x 640 \(it was made for 240 x 240\).*choose another"):
        create_model("crossvit_9_240", num_classes=5, in_chans=1, img_size=640)
    with torch.no_grad():
        assert create_model("crossvit_9_240", num_classes=5, in_chans=1, img_size=240)(images(size=240)).shape == (2, 5)
