"""The variants of the benchmark, and Swin-LGF-FPN's entry points in timm's registry."""

from dataclasses import dataclass, field
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from ecgpipe.models.pretrained import load_pretrained_weights
from ecgpipe.models.swin_backbone import image_hw
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY, SwinLgfFpn


@dataclass(frozen=True)
class Variant:
    """A row of the benchmark.

    Attributes:
        architecture: name in timm's registry of what is built by default.
        summary: what it is, in a few words.
        options: options that make it this variant.
        own: whether it is built by this package (the ``architecture`` option then names its Swin backbone).
    """

    architecture: str
    summary: str
    options: dict[str, Any] = field(default_factory=dict)
    own: bool = False


VARIANTS: dict[str, Variant] = {
    "resnet34": Variant("resnet34", "ResNet-34"),
    "vit": Variant("vit_small_patch16_224", "ViT-Small/16"),
    "mobilevit": Variant("mobilevit_s", "MobileViT-S"),
    "convnext": Variant("convnext_tiny", "ConvNeXt-T"),
    "swin": Variant(SWIN_TINY, "Swin-T, also the ablation with the backbone only"),
    "swin_lgf_fpn": Variant("swin_lgf_fpn_tiny", "Swin-LGF-FPN", own=True),
    "swin_lgf_fpn_no_lgf": Variant("swin_lgf_fpn_tiny", "without the LGF modules", {"lgf": False}, own=True),
    "swin_lgf_fpn_no_fpn": Variant("swin_lgf_fpn_tiny", "without the pyramid", {"fpn": False}, own=True),
    "swin_lgf_fpn_no_refine": Variant("swin_lgf_fpn_tiny", "without the refinement", {"refine": False}, own=True),
}

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
