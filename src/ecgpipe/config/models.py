"""What a model is built with."""

from pydantic import Field, field_validator

from ecgpipe.config.section import Section

Option = str | int | float | bool | tuple[int, ...] | None

VARIANTS = (
    "resnet34",
    "vit",
    "mobilevit",
    "convnext",
    "swin",
    "swin_lgf_fpn",
    "swin_lgf_fpn_no_lgf",
    "swin_lgf_fpn_no_fpn",
    "swin_lgf_fpn_no_refine",
)


class ModelConfig(Section):
    """Settings that all variants share, and options of single ones."""

    image_size: int = Field(
        640,
        ge=64,
        le=1280,
        description="side of the model's input in pixels, a multiple of 32; stored images are scaled",
    )
    in_chans: int = Field(1, ge=1, le=3, description="input channels; 3 repeats the image")
    pretrained: bool = Field(False, description="start from timm's ImageNet weights (needs network, or a local file)")
    plugin: str | None = Field(
        None,
        min_length=1,
        description="Python file that registers further models with timm (docs/own-model.md); it is run as code",
    )
    options: dict[str, Option] = Field(
        default_factory=dict, description="further arguments of this variant's constructor (see docs/models.md)"
    )

    @field_validator("options")
    @classmethod
    def _are_options(cls, value: dict[str, Option]) -> dict[str, Option]:
        weights = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}  # never from just anywhere
        fixed = ({"num_classes", "in_chans", "img_size"} | weights) & set(value)
        if fixed:
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be options: they follow from the data and other keys")
        return value

    @field_validator("image_size")
    @classmethod
    def _fits_strides(cls, value: int) -> int:
        if value % 32:
            raise ValueError("must be a multiple of 32, the coarsest stride of the models")
        return value
