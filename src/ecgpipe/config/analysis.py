"""Scores, baselines, saliency and the report."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ecgpipe.config.base import Section, Seed, check_unique

Share = Annotated[float, Field(gt=0, lt=1)]
Baseline = Literal["majority", "nearest", "outside", "thumbnail", "shuffled", "signal", "digitized"]
SaliencyMethod = Literal["gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients"]
BASELINE_PREFIX = "baseline-"
"""Prefix that marks baselines among the models in files and tables; no model's name has a hyphen."""
SIGNAL_BASELINE, DIGITIZED_BASELINE, SHUFFLED_BASELINE = (
    f"{BASELINE_PREFIX}{name}" for name in ("signal", "digitized", "shuffled")
)


class EvaluateConfig(Section):
    """Confidence intervals, thresholds and comparisons."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples, by patient where patients are known")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="level of confidence intervals; tests use alpha = 1 - confidence"
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="multi-label: lowest probability that predicts a class")
    seed: Seed = Field(0, description="seed of the resampling")
    specificities: tuple[Share, ...] = Field((0.9, 0.95), description="report the sensitivity at these specificities")
    reference: str = Field("swin_lgf_fpn", description="model whose comparisons with all others form one family")
    planned: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of models that form a family of their own: comparisons planned before the results"
    )
    margin: float = Field(
        0.01, gt=0, lt=0.5, description="claims: a score within this distance of the paper's figure agrees with it"
    )


class BaselinesConfig(Section):
    """Cheap classifiers that models must beat, for every protocol and seed of a dataset (docs/baselines.md)."""

    enabled: tuple[Baseline, ...] = Field(
        ("majority", "nearest", "outside", "thumbnail", "shuffled"),
        description="majority: class shares; nearest: the nearest page; outside: only the area outside the traces; "
        "thumbnail: thumbnails of the images; shuffled: thumbnail with shuffled training labels; signal: a network on "
        "the recordings, if the dataset has any; digitized: the same network on recordings digitized from the pages "
        "(both require PyTorch)",
    )
    shuffles: int = Field(5, ge=2, le=100, description="shuffled: number of shuffles per run")

    _unique = field_validator("enabled")(check_unique)

    @property
    def names(self) -> tuple[str, ...]:
        """The baselines' names in files; each shuffle is a baseline: ``baseline-shuffled-1``, ``-2``, ..."""
        shuffled = [f"{BASELINE_PREFIX}shuffled-{number}" for number in range(1, self.shuffles + 1)]
        return tuple(
            file for name in self.enabled for file in (shuffled if name == "shuffled" else [f"{BASELINE_PREFIX}{name}"])
        )


class ExplainConfig(Section):
    """Saliency maps (section 3.4; docs/saliency.md)."""

    variants: tuple[str, ...] = Field(("swin", "swin_lgf_fpn"), description="models to explain (figures 14 and 15)")
    records_per_class: int = Field(1, ge=1, description="maps shown per class, of the same records for every model")
    measured_per_class: int = Field(10, ge=1, description="maps measured per class, including those shown")
    method: SaliencyMethod = Field("gradcam", description="method of the maps that are shown and measured")
    compare: tuple[SaliencyMethod, ...] = Field((), description="additional methods, measured on the same records")
    level: int = Field(
        0,
        ge=0,
        le=3,
        description="models with a pyramid: level to explain, from 0, the finest (stride 4, as in the paper), to 3, "
        "the coarsest (stride 32, like the last stage of the other models)",
    )
    curve_steps: int = Field(
        4, ge=0, le=200, description="steps of the insertion and deletion curves, the slowest measures; 0 omits them"
    )

    _unique = field_validator("compare")(check_unique)

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods; the first one is also shown."""
        return (self.method, *(name for name in self.compare if name != self.method))


class ReportConfig(Section):
    """The HTML report."""

    title: str | None = Field(None, description="title of the page; null: from the titles of the datasets")
    explorer_pictures: int = Field(
        120, ge=0, le=2000, description="records with a page and an image in the explorer, about 60 kB each"
    )
