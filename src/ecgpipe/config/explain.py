"""Which saliency maps are made, drawn and measured."""

from typing import Literal

from pydantic import Field, field_validator

from ecgpipe.config.section import Section

Method = Literal["gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients"]


class ExplainConfig(Section):
    """Saliency (section 3.4)."""

    variants: tuple[str, ...] = Field(("swin", "swin_lgf_fpn"), description="variants to explain (figures 14 and 15)")
    records_per_class: int = Field(1, ge=1, description="reported records drawn per class, the same for every variant")
    measured_per_class: int = Field(10, ge=1, description="reported records measured per class, the drawn ones first")
    method: Method = Field("gradcam", description="saliency method that is drawn, and measured")
    compare: tuple[Method, ...] = Field((), description="further methods that are measured on the same records")
    level: int = Field(
        0,
        ge=0,
        le=3,
        description="models with a pyramid: which level is looked at, 0 the finest (stride 4; the paper's final map), "
        "3 the coarsest (stride 32, as the last stage of the other models)",
    )
    common_stride: int = Field(
        32,
        ge=1,
        le=128,
        description="maps are measured as they are, and once more averaged over areas of so many input pixels a side: "
        "32 is the stride of the coarsest model here, so that models are compared at the same sharpness",
    )
    curve_steps: int = Field(
        10, ge=0, le=200, description="points of the insertion and deletion curves; 0 leaves them out, they cost most"
    )
    cascade_steps: int = Field(
        4, ge=1, le=50, description="states of the randomisation test, from the classifier undone to the whole network"
    )
    seed: int = Field(0, ge=0, description="seeds the choice of records, random maps and untrained weights")

    @field_validator("compare")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        if len(set(values)) < len(values):
            raise ValueError("a method is there twice")
        return values

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods, the drawn one first."""
        return (self.method, *(name for name in self.compare if name != self.method))
