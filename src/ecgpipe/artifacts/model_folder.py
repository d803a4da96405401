"""A saved model: a folder with everything that is needed to use it.

    weights.safetensors   parameters and buffers by their PyTorch names
    config.json           architecture, classes, input, preprocessing, training, thresholds, calibration (SavedModel)
    ood.safetensors       statistics of training images, if they were available (models.ood)
    metrics.json          the run's scores, if it has been scored
    README.md             the model card
    SHA256SUMS.txt        checksums of the weights, statistics and scores

JSON, safetensors and Markdown can be read without this package. This module requires neither PyTorch nor pandas.
"""

import json
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgpipe.artifacts.files import write_json
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError


def probabilities_of(logits: np.ndarray, task: str) -> np.ndarray:
    """Convert logits to probabilities.

    Args:
        logits: (n, classes).
        task: ``single`` (softmax over classes) or ``multilabel`` (a sigmoid per class).

    Returns:
        (n, classes) float64 in [0, 1].
    """
    logits = np.asarray(logits).astype(np.float64)
    if task == "multilabel":
        return 1 / (1 + np.exp(-logits))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class Calibration(BaseModel):
    """Scale and offset of the logits that give calibrated probabilities.

    ``temperature`` does not change the predicted class, ``platt`` not the order of records by a class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["temperature", "platt"] = Field(
        description="temperature: one scale for all logits (Guo et al. 2017); platt: scale and offset per class (1999)"
    )
    scale: tuple[float, ...] = Field(description="factor of each class's logit; 1 / temperature")
    offset: tuple[float, ...] = Field(description="added to each scaled logit; 0 for a temperature")
    fitted_on: str = Field(description="records of the fit: validation, or the scored records")
    records: int = Field(description="number of records of the fit")
    left_out: tuple[str, ...] = Field(
        default=(), description="classes without calibration, since none or all of the records have them"
    )

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated logits: (n, classes) -> (n, classes) float64."""
        return np.asarray(logits, np.float64) * np.array(self.scale) + np.array(self.offset)

    def probabilities(self, logits: np.ndarray, task: str) -> np.ndarray:
        """Calibrated probabilities (n, classes) of logits (n, classes)."""
        return probabilities_of(self.logits(logits), task)


MODEL_FOLDER = "model"  # below a run's folder
CONFIG_FILE, CARD_FILE, OOD_FILE = "config.json", "README.md", "ood.safetensors"
NOTICE = (
    "This is not a diagnosis. The model is a research tool that has not been validated for patient care; it knows only "
    "its classes."
)
"""Shown with every prediction of a saved model."""
PREDICTED = 0.5  # multi-label: lowest calibrated probability that predicts a class
WHY_PREDICTED = {"single": "most probable", "multilabel": f"predicted: {PREDICTED:.0%} or more"}
"""Task -> why a class counts as predicted, in words for users."""


class OodLimits(BaseModel):
    """Limits of the out-of-distribution scores; images beyond them are unusual."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: float = Field(gt=0, description="limit of the distance of the model's features")
    ink: float = Field(gt=0, description="limit of the distance of the image's ink")
    quantile: float = Field(description="fraction of validation images within both limits")
    training_images: int = Field(description="number of images used for means and covariances")
    validation_images: int = Field(description="number of images used for the limits")


class ModelConfigFile(BaseModel):
    """The content of config.json of any saved model; subclasses state their format and its version as defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    format_version: int

    def write(self, folder: Path) -> None:
        """Write config.json atomically."""
        write_json(folder / CONFIG_FILE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read config.json.

        Raises:
            DataError: missing, not a saved model of this kind, or of another format version.
        """
        folder = Path(folder)
        path = folder / CONFIG_FILE
        expected, version = (cls.model_fields[name].default for name in ("format", "format_version"))
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            inner = folder / MODEL_FOLDER
            hint = f"give {inner}" if (inner / CONFIG_FILE).is_file() else "give the folder of a saved model"
            raise DataError(f"{path}: cannot be read ({error.strerror}); {hint}") from error
        except ValueError as error:
            raise DataError(f"{path}: not JSON ({error})") from error
        if not isinstance(content, dict) or content.get("format") != expected:
            raise DataError(f'{path}: not a saved model of ecgpipe (its "format" is not "{expected}")')
        if content.get("format_version") != version:
            raise DataError(
                f"{path}: format version {content.get('format_version')!r}, but this ecgpipe reads {version}; "
                "use the ecgpipe that wrote it (training.versions names it), or save the model again"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"]))
            raise DataError(f"{path}: {key}: {problem['msg']}") from error


class SavedModel(ModelConfigFile):
    """The content of config.json of an image model."""

    format: Literal["ecgpipe-model"] = "ecgpipe-model"
    format_version: int = Field(1, description="raised when older readers would fail")
    variant: str = Field(description="name for ``ecgpipe.models.create_model``: a variant, or a timm name")
    architecture: dict[str, Any] = Field(description="the timm name and its arguments")
    model: ModelConfig = Field(description="input size, channels and options of the model")
    classes: tuple[str, ...] = Field(description="names of the outputs, in their order")
    task: Literal["single", "multilabel"] = Field(description="softmax over the outputs, or a sigmoid per output")
    input: dict[str, Any] = Field(description="shape, type and values of the model's input")
    preprocessing: PreprocessConfig | None = Field(description="how pages became images; null if unknown")
    drawing: dict[str, Any] | None = Field(
        None,
        description="how records became pages: render (the section; null for a dataset of images), sampling_rate, "
        "derive_leads; null if unknown",
    )
    training: dict[str, Any] = Field(description="dataset, protocol, seed, records, recipe, course")
    thresholds: dict[str, Any] | None = Field(
        None, description="decision thresholds of each class, chosen by the evaluation; null if not evaluated"
    )
    calibration: Calibration | None = Field(
        None, description="calibration of the logits, fitted by the evaluation; null if not evaluated"
    )
    ood: OodLimits | None = Field(
        None, description="limits of the out-of-distribution score; null if the images were not available"
    )
