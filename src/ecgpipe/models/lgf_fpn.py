"""LGF modules, a feature pyramid and a fusing head (sections 2.3 and 2.4) on the stages of any backbone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import timm
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._features import FeatureListNet
from torch import Tensor, nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.lgf_fpn_layers import LGF, AtaGate, FeaturePyramid, PyramidHead
from ecgpipe.models.weights import PretrainedReport, load_pretrained_weights

STRIDES = (4, 8, 16, 32)
"""Strides of the stages that the neck reads, in pixels."""


@dataclass(frozen=True)
class LgfFpnOptions:
    """The modules that the paper adds to a backbone; the ablations are ``lgf``, ``fpn`` and ``refine``.

    Attributes:
        lgf: an LGF module after each stage (equations 9-14).
        lgf_placement: ``"inline"``: its output feeds the next stage and the neck; ``"side"``: only the neck.
        lgf_init_gain: initial scale of the LGF's last normalisation; 0 starts it as the identity.
        ata_gate: ``"pixel"`` or ``"column"``, see ``AxialTemporalAttention``.
        norm_groups: groups of the LGF's group normalisations.
        fpn: the pyramid (equations 15-23); without it the head reads only the last map.
        refine: the refinement of the pyramid (equations 20-23).
        neck_width: channels of the pyramid.
        head_hidden: hidden width of the head; None: the width of its input.
        drop_rate: dropout of the head.
    """

    lgf: bool = True
    lgf_placement: Literal["inline", "side"] = "inline"
    lgf_init_gain: float = 1.0
    ata_gate: AtaGate = "pixel"
    norm_groups: int = 32
    fpn: bool = True
    refine: bool = True
    neck_width: int = 256
    head_hidden: int | None = None
    drop_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.lgf_placement not in ("inline", "side"):
            raise ConfigError(f"unknown lgf_placement {self.lgf_placement!r}: use 'inline' or 'side'")


LGF_FPN_OPTIONS = tuple(option.name for option in fields(LgfFpnOptions))


class LgfFpn(nn.Module):
    """A backbone with the paper's modules; a subclass runs the stages.

    Args:
        backbone: the network with the stages.
        channels: of each stage, fine to coarse.
        num_classes: outputs; 0 for features only.
        in_chans: channels of the image.
        options: of the added modules.
    """

    def __init__(
        self, backbone: nn.Module, channels: Sequence[int], num_classes: int, in_chans: int, options: LgfFpnOptions
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.backbone = backbone
        self.lgf_inline = options.lgf_placement == "inline"
        fpn, width = options.fpn, options.neck_width

        # "side" without a neck reads only the last module's output
        used = range(len(channels)) if fpn or self.lgf_inline else [len(channels) - 1]
        self.lgf = nn.ModuleList(
            LGF(width, options.ata_gate, options.norm_groups, options.lgf_init_gain)
            if options.lgf and index in used
            else nn.Identity()
            for index, width in enumerate(channels)
        )
        self.neck = FeaturePyramid(channels, width, options.refine) if fpn else None
        levels = [width] * len(channels) if fpn else channels[-1:]
        self.head = PyramidHead(len(levels), levels[0], num_classes, options.head_hidden, options.drop_rate)
        self.num_features = levels[-1]
        self.head_hidden_size = self.head.num_features
        self.feature_info = [
            {"num_chs": width, "reduction": stride, "module": f"neck.refine.{i}" if fpn else f"lgf.{i}"}
            for i, (width, stride) in enumerate(zip(levels, STRIDES[-len(levels) :], strict=True))
        ]

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each stage and its LGF module, fine to coarse.

        Shapes: (B, in_chans, H, W) to [(B, C_i, H / 4 / 2^i, W / 4 / 2^i)], NCHW in channels_last memory.
        """
        raise NotImplementedError

    def load_pretrained(self, weights_file: str | None = None) -> PretrainedReport:
        """Load timm's ImageNet weights into the backbone; see ``load_pretrained_weights``."""
        raise NotImplementedError

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
        """Return the names of parameters without weight decay: fusion weights and, e.g., position biases."""
        of_backbone = getattr(self.backbone, "no_weight_decay", set)()
        names = {f"backbone.{name}" for name in of_backbone}
        return names | ({"head.fusion.logits"} if self.head.fusion is not None else set())


class TimmLgfFpn(LgfFpn):
    """LGF modules, pyramid and head on a backbone of timm with feature maps, such as a ResNet or a ConvNeXt.

    Args:
        num_classes: outputs; 0 for features only.
        in_chans: channels of the image.
        backbone: timm's name of a network with feature maps at strides 4, 8, 16 and 32.
        options: fields of :class:`LgfFpnOptions`; all others are arguments of the backbone.

    Raises:
        ConfigError: an unknown backbone or option, one without these maps, or one whose stages cannot be run singly
            (``lgf_placement: side`` then works).
    """

    def __init__(self, *, num_classes: int = 5, in_chans: int = 1, backbone: str = "resnet34", **options: Any) -> None:
        ours = {name: options.pop(name) for name in LGF_FPN_OPTIONS if name in options}
        stages = _feature_maps(backbone, in_chans, options)
        super().__init__(stages, stages.feature_info.channels(), num_classes, in_chans, LgfFpnOptions(**ours))
        self.backbone_name, self.backbone_options = backbone, options
        if self.lgf_inline and not isinstance(stages, FeatureListNet):
            raise ConfigError(
                f"backbone {backbone!r}: its stages cannot be run one by one; set lgf_placement: side, or use another "
                "backbone, such as resnet34 or convnext_tiny"
            )

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        if not self.lgf_inline:
            return [self._enhance(index, stage) for index, stage in enumerate(self.backbone(x))]
        maps: list[Tensor] = []
        for name, module in self.backbone.items():
            x = module(x)
            if name in self.backbone.return_layers:
                x = self._enhance(len(maps), x)
                maps.append(x)
        return maps

    def _enhance(self, index: int, stage: Tensor) -> Tensor:
        tokens = stage.permute(0, 2, 3, 1)
        return self.lgf[index](tokens.contiguous()).permute(0, 3, 1, 2)  # a copy only of maps in NCHW memory

    def load_pretrained(self, weights_file: str | None = None) -> PretrainedReport:
        plain = timm.create_model(self.backbone_name, num_classes=0, in_chans=self.in_chans, **self.backbone_options)
        report = load_pretrained_weights(plain, weights_file)
        # timm names the modules of a stage "stages_0" here and "stages.0" there
        loaded = {name.replace(".", "_"): tensor for name, tensor in plain.state_dict().items()}
        own = self.backbone.state_dict()
        self.backbone.load_state_dict({name: loaded[name.replace(".", "_")] for name in own})
        return report


def _level_indices(indices: int | Sequence[int] | None, levels: int) -> list[int]:
    """Resolve timm's ways to select levels: all (None), the last n (a number), or a list."""
    every = range(levels)
    if indices is None:
        return list(every)
    return list(every[-indices:]) if isinstance(indices, int) else [every[index] for index in indices]


def _feature_maps(backbone: str, in_chans: int, options: dict[str, Any]) -> nn.Module:
    """The backbone cut after its last stage, with a map at each of ``STRIDES``."""
    if not timm.is_model(backbone):
        raise ConfigError(f"unknown backbone {backbone!r}: use a name of timm, such as resnet34")
    if backbone.startswith("swin_"):
        raise ConfigError(f"backbone {backbone!r}: use the model swin_lgf_fpn with the option architecture: {backbone}")
    try:
        every = timm.create_model(backbone, features_only=True, in_chans=in_chans, **options).feature_info.reduction()
        last = {stride: index for index, stride in enumerate(every)}
        if not set(STRIDES) <= set(last):
            raise ConfigError(
                f"backbone {backbone!r} has feature maps at strides {', '.join(map(str, every))}; needed are 4, 8, 16 "
                "and 32: use a network with stages, such as resnet34 or convnext_tiny"
            )
        chosen = tuple(last[stride] for stride in STRIDES)
        return timm.create_model(backbone, features_only=True, out_indices=chosen, in_chans=in_chans, **options)
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as error:
        raise ConfigError(f"backbone {backbone!r} cannot be built with {options}: {error}") from error


INPUT = {
    "num_classes": 5,
    "input_size": (1, 640, 640),
    "interpolation": "bilinear",
    "mean": (0.0,),  # training feeds 0 (paper) and 1 (ink), without normalisation
    "std": (1.0,),
    "crop_pct": 1.0,
    "classifier": "head.fc2",
}
"""timm's configuration of the models of this package."""
default_cfgs = generate_default_cfgs({"lgf_fpn": INPUT})


def build_registered(model: type[LgfFpn], name: str, pretrained: bool, **kwargs: Any) -> nn.Module:
    """Build a model for timm's registry; ``pretrained`` loads timm's ImageNet weights into the backbone.

    Args:
        model: the class.
        name: in the registry.
        kwargs: arguments of the class, of timm's ``features_only``, and ``pretrained_cfg_overlay={"file": path}`` for
            weights in a local safetensors file.
    """
    weights_file = (kwargs.get("pretrained_cfg_overlay") or {}).get("file")
    built = build_model_with_cfg(
        model,
        name,
        pretrained=False,  # only the backbone has published weights
        feature_cfg={"feature_cls": "getter", "out_indices": kwargs.pop("out_indices", None)},
        **kwargs,
    )
    if pretrained:
        inner = getattr(built, "model", built)  # features_only wraps the model
        inner.pretrained_report = inner.load_pretrained(weights_file)
    return built


@register_model
def lgf_fpn(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LGF modules, pyramid and head on the network of the option ``backbone``; see :class:`TimmLgfFpn`."""
    return build_registered(TimmLgfFpn, "lgf_fpn", pretrained, **kwargs)
