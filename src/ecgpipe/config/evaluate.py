"""How predictions are scored and compared."""

from typing import Annotated

from pydantic import Field

from ecgpipe.config.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class EvaluateConfig(Section):
    """Intervals, thresholds and comparisons."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples (of patients, where they are known)")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="coverage of the intervals; tests use 1 minus it")
    threshold: float = Field(0.5, gt=0, lt=1, description="multilabel: probability from which a class counts as there")
    seed: int = Field(0, ge=0, description="seeds the resampling")
    bins: int = Field(10, ge=2, le=100, description="bins of the calibration error and of the reliability curve")
    specificities: tuple[Share, ...] = Field((0.9, 0.95), description="at which the sensitivity of each class is told")
    reference: str = Field("swin_lgf_fpn", description="the model whose comparisons with all others are one family")
    power: float = Field(0.8, gt=0.5, lt=1, description="power that a detectable difference is told for")
    margin: float = Field(
        0.01, gt=0, lt=0.5, description="a figure within so much of the paper's counts as the same (claims)"
    )
