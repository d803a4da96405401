"""timm's Swin Transformer as it suits a page: windows that need no padding, attention on the fused path.

Swin-LGF-FPN: timm's Swin stages, an LGF module after each, a feature pyramid and a fusing head (section 2.2-2.4).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any, Literal

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import set_fused_attn, use_fused_attn
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.lgf_fpn_layers import LGF, AtaGate, FeaturePyramid, PyramidHead
from ecgpipe.models.weights import load_pretrained_weights

PREFERRED_WINDOWS = (10, 8, 7)
FALLBACK_WINDOW = 7


def image_hw(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels of a size that may be given as one number."""
    return (img_size, img_size) if isinstance(img_size, int) else (int(img_size[0]), int(img_size[1]))


def choose_window(img_size: int | tuple[int, int], patch_size: int = 4, stages: int = 4) -> tuple[int, int]:
    """The attention window (height, width), in tokens, that needs no padding at any stage.

    A stage whose side is at most the window uses one window of just that side, so it needs no padding either. Each
    axis takes the first of 10, 8 and 7 that fits all its stages, and 7 where none does.

    Args:
        img_size: the model's input in pixels, one side or (height, width).
        patch_size: side of a patch in pixels.
        stages: number of stages; each halves the grid of the one before.
    """

    def along(side: int) -> int:
        grids = [ceil(side // patch_size / 2**stage) for stage in range(stages)]
        fitting = (w for w in PREFERRED_WINDOWS if all(grid <= w or grid % w == 0 for grid in grids))
        return next(fitting, FALLBACK_WINDOW)

    height, width = image_hw(img_size)
    return along(height), along(width)


@contextmanager
def fused_window_attention() -> Iterator[None]:
    """Swin models built inside use ``scaled_dot_product_attention``.

    timm holds the fused path of window attention back as experimental. The choice is made when a model is built, so
    the setting is put back afterwards; a user who switched fused attention off altogether keeps it off.
    """
    if not use_fused_attn() or use_fused_attn(experimental=True):
        yield
        return
    set_fused_attn(True, experimental=True)
    try:
        yield
    finally:
        set_fused_attn(True)


SWIN_TINY = "swin_tiny_patch4_window7_224"


class SwinLgfFpn(nn.Module):
    """The model of the paper, and its ablations by ``lgf``, ``fpn`` and ``refine``.

    Args:
        num_classes: outputs; 0 for features only.
        in_chans: channels of the image, 1 or 3.
        img_size: input in pixels, one side or (height, width), a multiple of 4 and at least 32.
        architecture: timm's name of the Swin backbone.
        embed_dim: channels of the first stage; ``None`` for the architecture's own (96 for Swin-T).
        depths: blocks per stage; ``None`` for the architecture's own (2, 2, 6, 2 for Swin-T).
        window_size: attention window in tokens; ``None`` for the best of 10, 8 and 7 (see ``choose_window``).
        lgf: an LGF module after each stage (equations 9-14).
        lgf_placement: ``"inline"``: its output feeds the next stage and the neck. ``"side"``: only the neck.
        lgf_init_gain: initial scale of the LGF's last normalisation; 0 starts it as the identity.
        ata_gate: ``"pixel"`` or ``"column"``, see ``AxialTemporalAttention``.
        norm_groups: groups of the LGF's group normalisations.
        fpn: the pyramid (equations 15-23); without it the last map alone goes to the head.
        refine: the refinement of the pyramid (equations 20-23).
        neck_width: channels of the pyramid.
        head_hidden: hidden width of the head; ``None`` for the width of its input.
        drop_rate: dropout of the head.
        drop_path_rate: largest stochastic depth rate of the backbone's blocks.

    Raises:
        ConfigError: for a value outside the ones named above.
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
        _check_image_size(img_size)
        if not architecture.startswith("swin_"):
            raise ConfigError(f"architecture {architecture!r} is not one of timm's Swin models, e.g. {SWIN_TINY!r}")
        if lgf_placement not in ("inline", "side"):
            raise ConfigError(f"lgf_placement {lgf_placement!r} is not known: use 'inline' or 'side'")
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
        # The neck reads the stages' own outputs; the classifier's final norm would be a parameter without a use.
        self.backbone.prune_intermediate_layers(len(stages), prune_norm=True)

        channels = [stage["num_chs"] for stage in stages]
        # Beside the trunk and without a neck, only the last module's output would be read.
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
        """The maps after each stage and its LGF module, fine to coarse.

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

    def forward_pyramid(self, x: Tensor) -> list[Tensor]:
        """The maps that the head reads: F1_out to F4_out, fine to coarse; without the neck the last map alone.

        Shapes: (B, in_chans, H, W) to [(B, neck_width, H / 4 / 2^i, W / 4 / 2^i)].
        """
        maps = self.forward_stages(x)
        return self.neck(maps) if self.neck is not None else maps[-1:]

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """timm's name for :meth:`forward_pyramid`."""
        return self.forward_pyramid(x)

    def forward_head(self, maps: list[Tensor], pre_logits: bool = False) -> Tensor:
        """Logits (B, num_classes) of a pyramid, or with ``pre_logits`` what the last linear layer reads."""
        return self.head(maps, pre_logits=pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes) of images (B, in_chans, H, W)."""
        return self.head(self.forward_pyramid(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[list[Tensor], list[Tensor]]:
        """timm's access to levels of the pyramid; ``features_only=True`` of ``timm.create_model`` uses it.

        ``norm`` and ``stop_early`` have no meaning here: a level needs all stages, and there is no final norm.
        """
        if output_fmt != "NCHW":
            raise ConfigError(f"output_fmt {output_fmt!r} is not supported: the pyramid's maps are NCHW")
        pyramid = self.forward_pyramid(x)
        levels = [pyramid[index] for index in _taken(indices, len(pyramid))]
        return levels if intermediates_only else (pyramid, levels)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the last linear layer for use as a feature extractor; returns the indices of the kept levels."""
        if prune_head:
            self.reset_classifier(0)
        return _taken(indices, len(self.feature_info))

    def get_classifier(self) -> nn.Module:
        """The last linear layer."""
        return self.head.fc2

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the last linear layer; ``global_pool`` is timm's and must stay unset."""
        if global_pool not in (None, "avg"):
            raise ConfigError(f"global_pool {global_pool!r} is not supported: the head pools by the average")
        self.num_classes = num_classes
        self.head.reset(num_classes)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the backbone's blocks in the backward pass: less memory, about a third more time."""
        self.backbone.set_grad_checkpointing(enable)

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that weight decay would only distort: position biases and fusion weights."""
        names = {f"backbone.{name}" for name in self.backbone.no_weight_decay()}
        return names | ({"head.fusion.logits"} if self.head.fusion is not None else set())

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """timm's parameter groups for layer-wise rates."""
        return {"stem": r"^backbone\.patch_embed", "blocks": r"^(?:backbone\.layers|lgf)\.(\d+)"}


def _check_image_size(img_size: int | tuple[int, int]) -> None:
    if any(side < 32 or side % 4 for side in image_hw(img_size)):
        raise ConfigError(f"img_size {img_size} does not suit a Swin model: use sides of 32 or more, multiples of 4")


def _taken(indices: int | Sequence[int] | None, levels: int) -> list[int]:
    """timm's ways to name levels, as a list from 0: the last n for a number, all for ``None``."""
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
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": "backbone.patch_embed.proj",
            "classifier": "head.fc2",
        }
    }
)


@register_model
def swin_lgf_fpn_tiny(pretrained: bool = False, **kwargs: Any) -> SwinLgfFpn:
    """Swin-LGF-FPN on Swin-T. ``pretrained`` gives the backbone timm's ImageNet weights; the rest starts fresh.

    Keyword arguments are those of :class:`SwinLgfFpn` and ``pretrained_cfg_overlay={"file": path}`` for backbone
    weights in a local safetensors file.
    """
    weights_file = (kwargs.pop("pretrained_cfg_overlay", None) or {}).get("file")
    kwargs["img_size"] = image_hw(kwargs.get("img_size") or default_cfgs["swin_lgf_fpn_tiny"].default.input_size[1:])
    model = build_model_with_cfg(
        SwinLgfFpn,
        "swin_lgf_fpn_tiny",
        pretrained=False,  # there are no weights of the whole model, only of its backbone
        feature_cfg={"feature_cls": "getter", "out_indices": kwargs.pop("out_indices", None)},
        **kwargs,
    )
    if pretrained:
        swin = getattr(model, "model", model)  # the wrapper of features_only holds the model
        swin.pretrained_report = load_pretrained_weights(swin.backbone, weights_file)
    return model
