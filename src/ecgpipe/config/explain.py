"""Which saliency maps are drawn."""

from typing import Literal

from pydantic import Field

from ecgpipe.config.section import Section


class ExplainConfig(Section):
    """Grad-CAM overlays (section 3.4)."""

    variants: tuple[str, ...] = Field(("swin", "swin_lgf_fpn"), description="variants to explain (figures 14 and 15)")
    records_per_class: int = Field(1, ge=1, description="reported records drawn per class, the same for every variant")
    method: Literal["gradcam", "gradcam++", "layercam", "eigencam"] = Field(
        "gradcam", description="saliency method of pytorch-grad-cam"
    )
    level: int = Field(
        0,
        ge=0,
        le=3,
        description="models with a pyramid: which level is looked at, 0 the finest (stride 4; the paper's final map), "
        "3 the coarsest (stride 32, as the last stage of the other models)",
    )
    seed: int = Field(0, ge=0, description="seeds the choice of records")
