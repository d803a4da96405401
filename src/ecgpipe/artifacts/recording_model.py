"""A saved model of recordings: a folder like that of a saved model of images (``model_folder``).

weights.safetensors   float16 parameters and buffers of ``models.recordings.RecordingNet``
config.json           classes, size, training, thresholds, calibration, limits (RecordingModel)
ood.safetensors       statistics of the features of training records
metrics.json          scores of digitized pages, by layout and wear
README.md             the model card
SHA256SUMS.txt        checksums of the weights, statistics and scores
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.model_folder import CONFIG_FILE, Calibration, SavedModel
from ecgpipe.errors import DataError

FORMAT, VERSION = "ecgpipe-recording-model", 1


class FeatureLimit(BaseModel):
    """Limit of the distance of a page's features from those of the training records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: float = Field(gt=0, description="distance above which a page is unusual")
    quantile: float = Field(description="share of the validation pages within the limit")
    training_records: int = Field(description="records behind means and covariances")
    validation_pages: int = Field(description="digitized pages behind the limit")


class RecordingModel(BaseModel):
    """The content of config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["ecgpipe-recording-model"] = FORMAT
    format_version: int = Field(VERSION, description="raised when older readers would fail")
    name: str = Field(description="what people call the model")
    classes: tuple[str, ...] = Field(description="names of the outputs, in their order")
    task: Literal["multilabel"] = "multilabel"
    members: int = Field(ge=1, description="networks whose logits are averaged")
    width: int = Field(ge=1, description="channels of a network's first blocks")
    training: dict[str, Any] = Field(description="dataset, protocol, seed, records, recipe, command, versions")
    thresholds: dict[str, Any] | None = Field(None, description="as in a saved model of images")
    calibration: Calibration | None = Field(None, description="calibration of the logits, fitted on validation pages")
    ood: FeatureLimit | None = Field(None, description="limit of the out-of-distribution score")

    @property
    def variant(self) -> str:
        """The name, as models of images call it."""
        return self.name

    def write(self, folder: Path) -> None:
        """Write config.json atomically."""
        write_json(folder / CONFIG_FILE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path | str) -> "RecordingModel":
        """Read config.json.

        Raises:
            DataError: missing, of another kind of model, or of another format version.
        """
        path = Path(folder) / CONFIG_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from error
        if not is_recording_model(content):
            raise DataError(f'{path}: not a model of recordings (its "format" is not "{FORMAT}")')
        if content.get("format_version") != VERSION:
            raise DataError(
                f"{path}: format version {content.get('format_version')!r}, but this ecgpipe reads {VERSION}"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problem = error.errors()[0]
            raise DataError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


def is_recording_model(content: Any) -> bool:
    """Whether the content of a config.json describes a model of recordings."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def holds_recording_model(folder: Path | str) -> bool:
    """Whether a folder contains a model of recordings; false if its config.json cannot be read."""
    try:
        return is_recording_model(json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


def read_saved(folder: Path | str) -> SavedModel | RecordingModel:
    """The description of a saved model of either kind; errors as theirs."""
    return RecordingModel.read(folder) if holds_recording_model(folder) else SavedModel.read(folder)
