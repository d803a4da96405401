"""A saved signal model: a folder like that of a saved image model (``model_folder``).

weights.safetensors   float16 parameters and buffers of ``models.recordings.RecordingNet``
config.json           classes, size, training, thresholds, calibration, limits (RecordingModel)
ood.safetensors       statistics of the features of training records
metrics.json          scores of digitized pages, by layout and degradation
README.md             the model card
SHA256SUMS.txt        checksums of the weights, statistics and scores
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ecgpipe.artifacts.model_folder import CONFIG_FILE, Calibration, ModelConfigFile, SavedModel

BUILT_IN = "box"
"""The built-in model's ``variant``."""


class FeatureLimit(BaseModel):
    """Limit of the distance of a page's features from those of the training records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: float = Field(gt=0, description="distance above which a page is unusual")
    quantile: float = Field(description="share of the validation pages within the limit")
    training_records: int = Field(description="records used for means and covariances")
    validation_pages: int = Field(description="digitized pages used for the limit")


class RecordingModel(ModelConfigFile):
    """The content of config.json."""

    format: Literal["ecgpipe-recording-model"] = "ecgpipe-recording-model"
    format_version: int = Field(1, description="raised when older readers would fail")
    variant: str = Field(description="name of the model")
    classes: tuple[str, ...] = Field(description="names of the outputs, in their order")
    task: Literal["multilabel"] = "multilabel"
    members: int = Field(ge=1, description="networks whose logits are averaged")
    width: int = Field(ge=1, description="channels of a network's first blocks")
    training: dict[str, Any] = Field(description="dataset, protocol, seed, records, recipe, command, versions")
    thresholds: dict[str, Any] | None = Field(None, description="as in a saved image model")
    calibration: Calibration | None = Field(None, description="calibration of the logits, fitted on validation pages")
    ood: FeatureLimit | None = Field(None, description="limit of the out-of-distribution score")


def display_name(variant: str) -> str:
    """A model's name for users."""
    return "built-in model" if variant == BUILT_IN else f"model {variant}"


def holds_recording_model(folder: Path | str) -> bool:
    """Whether a folder contains a signal model; false if its config.json cannot be read."""
    try:
        content = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == RecordingModel.model_fields["format"].default


def read_saved(folder: Path | str) -> SavedModel | RecordingModel:
    """The description of a saved model of either kind; errors as ``ModelConfigFile.read``."""
    return (RecordingModel if holds_recording_model(folder) else SavedModel).read(folder)
