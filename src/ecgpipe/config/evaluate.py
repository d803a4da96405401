"""How predictions are scored."""

from pydantic import Field

from ecgpipe.config.section import Section


class EvaluateConfig(Section):
    """Intervals and thresholds."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples (of patients, where they are known)")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="coverage of the intervals")
    threshold: float = Field(0.5, gt=0, lt=1, description="multilabel: probability from which a class counts as there")
    seed: int = Field(0, ge=0, description="seeds the resampling")
