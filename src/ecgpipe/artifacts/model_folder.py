"""From a model's outputs to probabilities, as they come and calibrated. Needs NumPy alone.

A saved model: a folder that holds all that is needed to use it, and what is known about it.

    weights.safetensors   parameters and buffers by their PyTorch names
    config.json           architecture, classes, input, preprocessing, training, thresholds, calibration (SavedModel)
    ood.safetensors       what training images look like, where they were at hand (models.ood)
    metrics.json          scores, where there are any: a run's metrics.json as it is
    README.md             the model card, for people

JSON, safetensors and Markdown: readable without this package. This module needs neither PyTorch nor tables.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgpipe.artifacts.files import write_json
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError


def probabilities_of(logits: np.ndarray, task: str) -> np.ndarray:
    """Probabilities of logits.

    Args:
        logits: (n, classes).
        task: ``single`` (softmax over classes) or ``multilabel`` (a sigmoid for each).

    Returns:
        (n, classes) float64 in [0, 1].
    """
    logits = np.asarray(logits).astype(np.float64)
    if task == "multilabel":
        return 1 / (1 + np.exp(-logits))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class Calibration(BaseModel):
    """What makes probabilities of a model's outputs that keep their promises: scaled and shifted logits.

    Neither changes which class is called (``temperature``), nor the order of records by a class (``platt``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["temperature", "platt"] = Field(
        description="temperature: one scale for all logits (Guo et al. 2017); platt: scale and offset a class (1999)"
    )
    scale: tuple[float, ...] = Field(description="a class's logit is multiplied by it; 1 / temperature")
    offset: tuple[float, ...] = Field(description="and this is added; 0 for a temperature")
    fitted_on: str = Field(description="the records that it was fitted on: validation, or the reported records")
    records: int = Field(description="their number")
    left_out: tuple[str, ...] = Field(
        default=(), description="classes as they come, since none or all of the records have it"
    )

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """(n, classes) -> (n, classes) float64."""
        return np.asarray(logits, np.float64) * np.array(self.scale) + np.array(self.offset)

    def probabilities(self, logits: np.ndarray, task: str) -> np.ndarray:
        """Calibrated probabilities (n, classes) of logits (n, classes)."""
        return probabilities_of(self.logits(logits), task)


MODEL_FOLDER = "model"  # below a run's folder
CONFIG_FILE, CARD_FILE, OOD_FILE = "config.json", "README.md", "ood.safetensors"
NOTICE = (
    "This is no diagnosis. The model is a research tool that has not been validated for the care of any patient; it "
    "knows its classes and nothing else."
)
"""Goes with every prediction of a saved model."""

FORMAT, VERSION = "ecgpipe-model", 2
READABLE = (1, 2)
"""Version 1 lacks ``drawing``, ``calibration`` and ``ood``."""


class OodLimits(BaseModel):
    """Up to where an image counts as usual."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: float = Field(gt=0, description="largest usual distance of the model's features")
    ink: float = Field(gt=0, description="largest usual distance of the image's ink")
    quantile: float = Field(description="share of validation images that are within both")
    training_images: int = Field(description="images behind means and covariances")
    validation_images: int = Field(description="images behind the limits")


class SavedModel(BaseModel):
    """The content of config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["ecgpipe-model"] = FORMAT  # type: ignore[assignment]
    format_version: int = Field(VERSION, description="raised when a reader of the version before would err")
    variant: str = Field(description="name for ``ecgpipe.models.create_model``: a variant, or a name of timm's")
    architecture: dict[str, Any] = Field(description="what stands behind it: timm's name and its arguments")
    model: ModelConfig = Field(description="input size, channels and options that the model was built with")
    classes: tuple[str, ...] = Field(description="names of the outputs, in their order")
    task: Literal["single", "multilabel"] = Field(description="softmax over the outputs, or a sigmoid for each")
    input: dict[str, Any] = Field(description="in words and numbers, what the model reads")
    preprocessing: PreprocessConfig | None = Field(
        description="how pages became images; null where the run does not say"
    )
    drawing: dict[str, Any] | None = Field(
        None,
        description="how records became pages: render (the section; null for a data set of images), sampling_rate, "
        "derive_leads; null where the run does not say",
    )
    training: dict[str, Any] = Field(description="data set, protocol, seed, records, recipe, course")
    thresholds: dict[str, Any] | None = Field(
        None, description="class to decision thresholds as the evaluation chose them; null before, or without any"
    )
    calibration: Calibration | None = Field(
        None, description="what makes calibrated probabilities of the logits, from the evaluation; null before"
    )
    ood: OodLimits | None = Field(
        None, description="limits of the out-of-distribution score; null where the images were not at hand"
    )

    def write(self, folder: Path) -> None:
        """Write config.json atomically."""
        write_json(folder / CONFIG_FILE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path | str) -> "SavedModel":
        """Read config.json.

        Raises:
            DataError: missing, not of this format, or of another version of it.
        """
        folder = Path(folder)
        path = folder / CONFIG_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            inner = folder / MODEL_FOLDER
            hint = f"give {inner}" if (inner / CONFIG_FILE).is_file() else "give the folder of a saved model"
            raise DataError(f"{path}: cannot be read ({error}); {hint}") from error
        except ValueError as error:
            raise DataError(f"{path}: not JSON ({error})") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DataError(f'{path}: not a saved model of ecgpipe (its "format" is not "{FORMAT}")')
        if content.get("format_version") not in READABLE:
            readable = " and ".join(map(str, READABLE))
            raise DataError(
                f"{path}: format version {content.get('format_version')!r}, but this ecgpipe reads {readable}; "
                "use the ecgpipe that wrote it (training.versions names it), or save the model again"
            )
        try:
            return cls.model_validate(content | {"format_version": VERSION})
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"]))
            raise DataError(f"{path}: {key}: {problem['msg']}") from error
