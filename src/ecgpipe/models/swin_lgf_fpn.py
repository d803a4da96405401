"""Swin-LGF-FPN (section 2.2-2.4): timm's Swin stages, an LGF module after each, a feature pyramid and a head."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any, Literal

import timm
from timm.layers import set_fused_attn, use_fused_attn
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.lgf_fpn_layers import LGF, AtaGate, FeaturePyramid, PyramidHead
from ecgpipe.models.weights import load_pretrained_weights

SWIN_TINY = "swin_tiny_patch4_window7_224"
PREFERRED_WINDOWS = (10, 8, 7)
FALLBACK_WINDOW = 7


def image_hw(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of a size that may be a single number."""
    return (img_size, img_size) if isinstance(img_size, int) else (int(img_size[0]), int(img_size[1]))


def choose_window(img_size: int | tuple[int, int], patch_size: int = 4, stages: int = 4) -> tuple[int, int]:
    """Choose the attention window (height, width), in tokens: per axis the first of 10, 8, 7 that needs no padding.

    A stage that is not larger than the window has a single window of its own size. If none of the three fits, the
    window is 7.

    Args:
        img_size: in pixels, one side or (height, width).
        patch_size: in pixels.
        stages: number of stages; each halves the grid.
    """

    def along(side: int) -> int:
        grids = [ceil(side // patch_size / 2**stage) for stage in range(stages)]
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

    There the fused operator has no kernel for a position bias with a gradient, and its substitute is slower
    (docs/performance.md). Other attention, such as ViT's, stays fused.
    """
    for module in model.modules():
        if isinstance(module, WindowAttention):
            module.fused_attn = False


class SwinLgfFpn(nn.Module):
    """The paper's model, and its ablations by ``lgf``, ``fpn`` and ``refine``.

    Args:
        num_classes: outputs; 0 for features only.
        in_chans: channels of the image, 1 or 3.
        img_size: in pixels, one side or (height, width); multiples of 4, at least 32.
        architecture: timm's name of the Swin backbone.
        embed_dim: channels of the first stage; None: the architecture's (96 for Swin-T).
        depths: blocks per stage; None: the architecture's (2, 2, 6, 2 for Swin-T).
        window_size: attention window in tokens; None: see :func:`choose_window`.
        lgf: an LGF module after each stage (equations 9-14).
        lgf_placement: ``"inline"``: its output feeds the next stage and the neck; ``"side"``: only the neck.
        lgf_init_gain: initial scale of the LGF's last normalisation; 0 starts it as the identity.
        ata_gate: ``"pixel"`` or ``"column"``, see ``AxialTemporalAttention``.
        norm_groups: groups of the LGF's group normalisations.
        fpn: the pyramid (equations 15-23); without it the head reads only the last map.
        refine: the refinement of the pyramid (equations 20-23).
        neck_width: channels of the pyramid.
        head_hidden: hidden width of the head; None: its input's.
        drop_rate: dropout of the head.
        drop_path_rate: largest stochastic depth rate of the backbone's blocks.

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
        lgf: bool = True,
        lgf_placement: Literal["inline", "side"] = "inline",
        lgf_init_gain: float = 1.0,
        ata_gate: AtaGate = "pixel",
        norm_groups: int = 32,
        fpn: bool = True,
        refine: bool = True,
        neck_width: int = 256,
        head_hidden: int | None = None,
        drop_rate: float = 0.1,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        if any(side < 32 or side % 4 for side in image_hw(img_size)):
            raise ConfigError(f"invalid img_size {img_size} for a Swin model: use multiples of 4, at least 32")
        if not architecture.startswith("swin_"):
            raise ConfigError(f"architecture {architecture!r} is not one of timm's Swin models, e.g. {SWIN_TINY!r}")
        if lgf_placement not in ("inline", "side"):
            raise ConfigError(f"unknown lgf_placement {lgf_placement!r}: use 'inline' or 'side'")
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.lgf_inline = lgf_placement == "inline"

        with fused_window_attention():
            self.backbone = timm.create_model(
                architecture,
                num_classes=0,
                in_chans=in_chans,
                img_size=image_hw(img_size),
                window_size=window_size or choose_window(img_size),
                embed_dim=embed_dim,
                depths=depths,
                drop_path_rate=drop_path_rate,
            )
        stages = self.backbone.feature_info
        # the neck reads the stages' outputs; the final norm is only for timm's classifier
        self.backbone.prune_intermediate_layers(len(stages), prune_norm=True)

        channels = [stage["num_chs"] for stage in stages]
        # "side" without a neck reads only the last module's output
        used = range(len(stages)) if fpn or self.lgf_inline else [len(stages) - 1]
        self.lgf = nn.ModuleList(
            LGF(width, ata_gate, norm_groups, lgf_init_gain) if lgf and index in used else nn.Identity()
            for index, width in enumerate(channels)
        )
        self.neck = FeaturePyramid(channels, neck_width, refine) if fpn else None

        level_channels = [neck_width] * len(stages) if fpn else channels[-1:]
        self.head = PyramidHead(len(level_channels), level_channels[0], num_classes, head_hidden, drop_rate)
        self.num_features = level_channels[-1]
        self.head_hidden_size = self.head.num_features
        self.feature_info = [
            {"num_chs": width, "reduction": stage["reduction"], "module": f"neck.refine.{i}" if fpn else f"lgf.{i}"}
            for i, (width, stage) in enumerate(zip(level_channels, stages if fpn else stages[-1:], strict=True))
        ]

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each stage and its LGF module, fine to coarse.

        Shapes: (B, in_chans, H, W) to [(B, C_i, H / 4 / 2^i, W / 4 / 2^i)], NCHW in channels_last memory.
        """
        maps = []
        tokens = self.backbone.patch_embed(x)
        for stage, lgf in zip(self.backbone.layers, self.lgf, strict=True):
            tokens = stage(tokens)
            enhanced = lgf(tokens)
            maps.append(enhanced.permute(0, 3, 1, 2))  # a view: NHWC memory is channels_last NCHW
            if self.lgf_inline:
                tokens = enhanced
        return maps

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the maps that the head reads, fine to coarse: F1_out to F4_out, or without the neck the last map.

        Shapes: (B, in_chans, H, W) to [(B, neck_width, H / 4 / 2^i, W / 4 / 2^i)].
        """
        maps = self.forward_stages(x)
        return self.neck(maps) if self.neck is not None else maps[-1:]

    def forward_head(self, maps: list[Tensor], pre_logits: bool = False) -> Tensor:
        """Return logits (B, num_classes) of a pyramid, or with ``pre_logits`` the input of the last linear layer."""
        return self.head(maps, pre_logits=pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, num_classes) of images (B, in_chans, H, W)."""
        return self.head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[list[Tensor], list[Tensor]]:
        """Return pyramid levels, for timm's ``features_only=True``; ``norm`` and ``stop_early`` have no effect."""
        if output_fmt != "NCHW":
            raise ConfigError(f"output_fmt {output_fmt!r} is not supported: the pyramid's maps are NCHW")
        pyramid = self.forward_features(x)
        levels = [pyramid[index] for index in _level_indices(indices, len(pyramid))]
        return levels if intermediates_only else (pyramid, levels)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the last linear layer, for feature extraction; return the indices of the kept levels."""
        if prune_head:
            self.reset_classifier(0)
        return _level_indices(indices, len(self.feature_info))

    def get_classifier(self) -> nn.Module:
        """Return the last linear layer."""
        return self.head.fc2

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the last linear layer; ``global_pool`` must be None or avg."""
        if global_pool not in (None, "avg"):
            raise ConfigError(f"global_pool {global_pool!r} is not supported: the head uses average pooling")
        self.num_classes = num_classes
        self.head.reset(num_classes)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the backbone's blocks in the backward pass: less memory, about a third more time."""
        self.backbone.set_grad_checkpointing(enable)

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters without weight decay: position biases and fusion weights."""
        names = {f"backbone.{name}" for name in self.backbone.no_weight_decay()}
        return names | ({"head.fusion.logits"} if self.head.fusion is not None else set())

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return timm's parameter groups for layer-wise learning rates."""
        return {"stem": r"^backbone\.patch_embed", "blocks": r"^(?:backbone\.layers|lgf)\.(\d+)"}


def _level_indices(indices: int | Sequence[int] | None, levels: int) -> list[int]:
    """Resolve timm's ways to select levels: all (None), the last n (a number), or a list."""
    every = range(levels)
    if indices is None:
        return list(every)
    return list(every[-indices:]) if isinstance(indices, int) else [every[index] for index in indices]


default_cfgs = generate_default_cfgs(
    {
        "swin_lgf_fpn_tiny": {
            "num_classes": 5,
            "input_size": (1, 640, 640),
            "fixed_input_size": True,
            "interpolation": "bilinear",
            "mean": (0.0,),  # training feeds 0 (paper) and 1 (ink), without normalisation
            "std": (1.0,),
            "crop_pct": 1.0,
            "first_conv": "backbone.patch_embed.proj",
            "classifier": "head.fc2",
        }
    }
)


@register_model
def swin_lgf_fpn_tiny(pretrained: bool = False, **kwargs: Any) -> SwinLgfFpn:
    """Swin-LGF-FPN on Swin-T; ``pretrained`` loads timm's ImageNet weights into the backbone.

    Keyword arguments: as for :class:`SwinLgfFpn`, and ``pretrained_cfg_overlay={"file": path}`` for backbone
    weights in a local safetensors file.
    """
    weights_file = (kwargs.get("pretrained_cfg_overlay") or {}).get("file")
    kwargs["img_size"] = image_hw(kwargs.get("img_size") or default_cfgs["swin_lgf_fpn_tiny"].default.input_size[1:])
    model = build_model_with_cfg(
        SwinLgfFpn,
        "swin_lgf_fpn_tiny",
        pretrained=False,  # only the backbone has published weights
        feature_cfg={"feature_cls": "getter", "out_indices": kwargs.pop("out_indices", None)},
        **kwargs,
    )
    if pretrained:
        swin = getattr(model, "model", model)  # features_only wraps the model
        swin.pretrained_report = load_pretrained_weights(swin.backbone, weights_file)
    return model
