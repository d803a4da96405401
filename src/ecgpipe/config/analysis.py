"""How predictions are scored and compared.

Baselines: cheap classifiers that show what a score is worth.

Which saliency maps are made, drawn and measured.

What the report shows.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ecgpipe.config.base import Section

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


Baseline = Literal["majority", "nearest", "outside", "thumbnail", "shuffled", "signal"]
ThumbnailSide = Annotated[int, Field(ge=8, le=1024)]
BASELINE_PREFIX = "baseline-"
"""What names of controls begin with, where files and tables name models; no model's name holds a hyphen."""


class BaselinesConfig(Section):
    """Control experiments beside the models, for every protocol and seed of a data set."""

    enabled: tuple[Baseline, ...] = Field(
        ("majority", "nearest", "outside", "thumbnail", "shuffled"),
        description="which: the classes' shares alone, the nearest page, only what lies outside the traces, "
        "thumbnails of the images, the same with shuffled training labels; signal: a network on the recordings "
        "themselves, where there are any: what the image costs (needs PyTorch)",
    )
    thumbnail: tuple[ThumbnailSide, ThumbnailSide] = Field((96, 64), description="pixels of a thumbnail: width, height")
    outside: tuple[ThumbnailSide, ThumbnailSide] = Field(
        (480, 320), description="pixels of a page of which only the outside is kept: width, height"
    )
    components: int = Field(50, ge=1, le=1000, description="principal components that the linear classifiers see")
    regularisation: float = Field(0.1, gt=0, description="C of the logistic regression; smaller is stronger")
    epochs: int = Field(30, ge=1, le=1000, description="signal: epochs of training")
    shuffles: int = Field(5, ge=2, le=100, description="shuffled: how many shuffles of each run")

    @field_validator("enabled")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        if len(set(values)) < len(values):
            raise ValueError("a baseline is there twice")
        return values

    @property
    def names(self) -> tuple[str, ...]:
        """The controls as files name them: each shuffle by itself, ``baseline-shuffled-1``, ``-2``, ..."""
        shuffled = [f"{BASELINE_PREFIX}shuffled-{number}" for number in range(1, self.shuffles + 1)]
        return tuple(
            file for name in self.enabled for file in (shuffled if name == "shuffled" else [f"{BASELINE_PREFIX}{name}"])
        )


SaliencyMethod = Literal["gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients"]


class ExplainConfig(Section):
    """Saliency (section 3.4)."""

    variants: tuple[str, ...] = Field(("swin", "swin_lgf_fpn"), description="variants to explain (figures 14 and 15)")
    records_per_class: int = Field(1, ge=1, description="reported records drawn per class, the same for every variant")
    measured_per_class: int = Field(10, ge=1, description="reported records measured per class, the drawn ones first")
    method: SaliencyMethod = Field("gradcam", description="saliency method that is drawn, and measured")
    compare: tuple[SaliencyMethod, ...] = Field((), description="further methods that are measured on the same records")
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


class ReportConfig(Section):
    """The HTML report."""

    title: str = Field("ECG image classification: Swin-LGF-FPN, rebuilt and measured", description="page title")
    examples: int = Field(1, ge=0, le=10, description="example pages shown per class")
    explorer_pictures: int = Field(
        120,
        ge=0,
        le=2000,
        description="records whose page and image the explorer holds, about 60 kB each; all others are listed without",
    )
