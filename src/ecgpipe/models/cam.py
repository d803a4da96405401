"""Grad-CAM targets: the layer of each architecture, and the conversion of its features to maps."""

from collections.abc import Callable
from dataclasses import dataclass

from timm.models.byobnet import ByobNet
from timm.models.convnext import ConvNeXt
from timm.models.resnet import ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.lgf_fpn import LgfFpn


@dataclass(frozen=True)
class CamTarget:
    """A layer to hook and the layout of its output.

    Attributes:
        layer: its output and the output's gradient are used by Grad-CAM.
        to_nchw: converts them to maps (B, C, h, w).
    """

    layer: nn.Module
    to_nchw: Callable[[Tensor], Tensor]


def cam_target(model: nn.Module, level: int = 0) -> CamTarget:
    """Return the Grad-CAM target of a model.

    Args:
        model: a model of ``create_model``.
        level: of the pyramid, if there is one: 0 is the finest (stride 4), 3 the coarsest (stride 32).

    Raises:
        ConfigError: an architecture without feature maps, or an unknown level.
    """
    match model:
        case LgfFpn(neck=nn.Module() as neck):
            if not -len(neck.refine) <= level < len(neck.refine):
                raise ConfigError(f"pyramid level {level} does not exist: use 0 to {len(neck.refine) - 1}")
            return CamTarget(neck.refine[level], _same)
        case LgfFpn():
            return CamTarget(model.lgf[-1], _nhwc_to_nchw)
        case ResNet():
            return CamTarget(model.layer4, _same)
        case ConvNeXt():
            return CamTarget(model.stages[-1], _same)
        case ByobNet():
            return CamTarget(model.final_conv, _same)
        case VisionTransformer():
            # the input of the last attention: after it the class token no longer reads the patches
            return CamTarget(model.blocks[-1].norm1, _tokens_to_nchw(model))
    return _last_feature(model)


def _last_feature(model: nn.Module) -> CamTarget:
    """Use the last entry of timm's feature_info; Swin models have NHWC maps."""
    name = type(model).__name__
    try:
        layer = model.get_submodule(model.feature_info[-1]["module"])
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(f"{name} has no feature_info with a last feature map, which Grad-CAM requires") from error
    layout = str(getattr(model, "output_fmt", "NCHW"))
    if layout not in ("NCHW", "NHWC"):
        raise ConfigError(f"{name} has {layout} features, but Grad-CAM requires maps (NCHW or NHWC)")
    return CamTarget(layer, _nhwc_to_nchw if layout == "NHWC" else _same)


def _same(features: Tensor) -> Tensor:
    return features


def _nhwc_to_nchw(features: Tensor) -> Tensor:
    return features.permute(0, 3, 1, 2)


def _tokens_to_nchw(model: VisionTransformer) -> Callable[[Tensor], Tensor]:
    height, width = model.patch_embed.grid_size
    prefix = model.num_prefix_tokens

    def to_nchw(tokens: Tensor) -> Tensor:
        return tokens[:, prefix:].transpose(1, 2).unflatten(2, (height, width))

    return to_nchw
