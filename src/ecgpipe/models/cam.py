"""Where Grad-CAM looks in each architecture, and how its features become maps."""

from collections.abc import Callable
from dataclasses import dataclass

from timm.models.byobnet import ByobNet
from timm.models.convnext import ConvNeXt
from timm.models.resnet import ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.swin_lgf_fpn import SwinLgfFpn


@dataclass(frozen=True)
class CamTarget:
    """A layer to hook and the layout of its output.

    Attributes:
        layer: the module whose output, and the output's gradient, Grad-CAM weighs.
        to_nchw: turns that output, or its gradient, into maps (B, C, h, w).
    """

    layer: nn.Module
    to_nchw: Callable[[Tensor], Tensor]


def cam_target(model: nn.Module, level: int = 0) -> CamTarget:
    """The layer for Grad-CAM of a model.

    Args:
        model: a model of ``create_model``.
        level: for models with a pyramid, which level: 0 is the finest (stride 4), 3 the coarsest (stride 32).
            Other models have one target and ignore it.

    Raises:
        ConfigError: for an architecture whose last maps cannot be found, or a level that the pyramid lacks.
    """
    match model:
        case SwinLgfFpn(neck=nn.Module() as neck):
            if not -len(neck.refine) <= level < len(neck.refine):
                raise ConfigError(f"pyramid level {level} does not exist: use 0 to {len(neck.refine) - 1}")
            return CamTarget(neck.refine[level], _same)
        case SwinLgfFpn():
            return CamTarget(model.lgf[-1], _nhwc_to_nchw)
        case ResNet():
            return CamTarget(model.layer4, _same)
        case ConvNeXt():
            return CamTarget(model.stages[-1], _same)
        case ByobNet():
            return CamTarget(model.final_conv, _same)
        case VisionTransformer():
            # After the last attention a class token no longer reads the patches: look at what it reads.
            return CamTarget(model.blocks[-1].norm1, _tokens_to_nchw(model))
    return _last_feature(model)


def _last_feature(model: nn.Module) -> CamTarget:
    """The last stage by timm's own record of it; Swin models land here with NHWC maps."""
    name = type(model).__name__
    try:
        layer = model.get_submodule(model.feature_info[-1]["module"])
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(f"{name} names no last feature map: Grad-CAM does not know where to look") from error
    layout = str(getattr(model, "output_fmt", "NCHW"))
    if layout not in ("NCHW", "NHWC"):
        raise ConfigError(f"{name} gives {layout} features: Grad-CAM needs maps")
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
