"""Swin-LGF-FPN (sections 2.2 to 2.4): timm's Swin stages, an LGF module after each, a feature pyramid and a head."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import timm
from timm.layers import set_fused_attn, use_fused_attn
from timm.models import generate_default_cfgs, register_model
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.lgf_fpn import INPUT, LgfFpn, LgfFpnOptions, build_registered
from ecgpipe.models.weights import PretrainedReport, load_pretrained_weights

SWIN_TINY = "swin_tiny_patch4_window7_224"
PREFERRED_WINDOWS = (10, 8, 7)
FALLBACK_WINDOW = 7


def image_hw(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of a size that may be a single number."""
    return (img_size, img_size) if isinstance(img_size, int) else (int(img_size[0]), int(img_size[1]))


def choose_window(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """Choose the attention window (height, width), in tokens: per axis the first of 10, 8, 7 that needs no padding.

    A stage no larger than the window has a single window of its own size. If none of the three fits, the window is 7.

    Args:
        img_size: in pixels, one side or (height, width).
    """

    def along(side: int) -> int:
        grids = [ceil(side // 4 / 2**stage) for stage in range(4)]  # patches of 4 pixels; each stage halves the grid
        fitting = (w for w in PREFERRED_WINDOWS if all(grid <= w or grid % w == 0 for grid in grids))
        return next(fitting, FALLBACK_WINDOW)

    height, width = image_hw(img_size)
    return along(height), along(width)


@contextmanager
def fused_window_attention() -> Iterator[None]:
    """Build Swin models with ``scaled_dot_product_attention``, which timm still calls experimental for windows.

    A user's ``set_fused_attn(False)`` has priority.
    """
    if not use_fused_attn() or use_fused_attn(experimental=True):
        yield
        return
    set_fused_attn(True, experimental=True)
    try:
        yield
    finally:
        set_fused_attn(True)


def use_plain_window_attention(model: nn.Module) -> None:
    """Let Swin blocks compute attention by products and a softmax, for training on a CPU; changed in place.

    On a CPU, the fused operator has no kernel for a position bias with a gradient, and its fallback is slower
    (docs/performance.md). Other attention, such as ViT's, stays fused.
    """
    for module in model.modules():
        if isinstance(module, WindowAttention):
            module.fused_attn = False


class SwinLgfFpn(LgfFpn):
    """The paper's model, and its ablations by ``lgf``, ``fpn`` and ``refine``.

    Args:
        num_classes: outputs; 0 for features only.
        in_chans: channels of the image, 1 or 3.
        img_size: in pixels, one side or (height, width); multiples of 4, at least 32.
        architecture: timm's name of the Swin backbone.
        embed_dim: channels of the first stage; None: the architecture's (96 for Swin-T).
        depths: blocks per stage; None: the architecture's (2, 2, 6, 2 for Swin-T).
        window_size: attention window in tokens; None: see :func:`choose_window`.
        drop_path_rate: largest stochastic depth rate of the backbone's blocks.
        options: fields of :class:`LgfFpnOptions`.

    Raises:
        ConfigError: an invalid value.
    """

    def __init__(
        self,
        *,
        num_classes: int = 5,
        in_chans: int = 1,
        img_size: int | tuple[int, int] = 640,
        architecture: str = SWIN_TINY,
        embed_dim: int | None = None,
        depths: tuple[int, ...] | None = None,
        window_size: int | tuple[int, int] | None = None,
        drop_path_rate: float = 0.1,
        **options: Any,
    ) -> None:
        if any(side < 32 or side % 4 for side in image_hw(img_size)):
            raise ConfigError(f"invalid img_size {img_size} for a Swin model: use multiples of 4, at least 32")
        if not architecture.startswith("swin_"):
            raise ConfigError(f"architecture {architecture!r} is not one of timm's Swin models, e.g. {SWIN_TINY!r}")
        with fused_window_attention():
            backbone = timm.create_model(
                architecture,
                num_classes=0,
                in_chans=in_chans,
                img_size=image_hw(img_size),
                window_size=window_size or choose_window(img_size),
                embed_dim=embed_dim,
                depths=depths,
                drop_path_rate=drop_path_rate,
            )
        channels = [stage["num_chs"] for stage in backbone.feature_info]
        # the neck reads the stages' outputs; the final norm is only for timm's classifier
        backbone.prune_intermediate_layers(len(channels), prune_norm=True)
        super().__init__(backbone, channels, num_classes, in_chans, LgfFpnOptions(**options))

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        maps = []
        tokens = self.backbone.patch_embed(x)
        for stage, lgf in zip(self.backbone.layers, self.lgf, strict=True):
            tokens = stage(tokens)
            enhanced = lgf(tokens)
            maps.append(enhanced.permute(0, 3, 1, 2))  # a view: NHWC memory is channels_last NCHW
            if self.lgf_inline:
                tokens = enhanced
        return maps

    def load_pretrained(self, weights_file: str | None = None) -> PretrainedReport:
        return load_pretrained_weights(self.backbone, weights_file)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return timm's parameter groups for layer-wise learning rates."""
        return {"stem": r"^backbone\.patch_embed", "blocks": r"^(?:backbone\.layers|lgf)\.(\d+)"}


default_cfgs = generate_default_cfgs(
    {"swin_lgf_fpn_tiny": INPUT | {"fixed_input_size": True, "first_conv": "backbone.patch_embed.proj"}}
)


@register_model
def swin_lgf_fpn_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Swin-LGF-FPN on Swin-T; see :class:`SwinLgfFpn`."""
    kwargs["img_size"] = image_hw(kwargs.get("img_size") or INPUT["input_size"][1:])
    return build_registered(SwinLgfFpn, "swin_lgf_fpn_tiny", pretrained, **kwargs)
