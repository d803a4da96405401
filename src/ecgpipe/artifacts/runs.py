"""A run: the training of one model, in results/<dataset>/<protocol>/<model>/seed-<n>/.

    run.json             the complete settings of the run (RunConfig)        written by: prepare
    run_index.npz        image rows with roles and targets (RunIndex)             prepare
    weights.safetensors  the weights with the lowest validation loss              train
    history.csv          losses, learning rate, metrics and speed per epoch       train
    train.json           summary: epochs, best epoch, seconds, versions           train
    state.ckpt           the state at the end, with train.keep_state              train
    predictions.parquet  logits of the validation and test records                predict
    metrics.json         scores                                                   evaluate
    model/               the saved model (model_folder)                           card

Training requires the first two and the image files. Reading them requires neither pandas nor pyarrow.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import MODEL_WEIGHTS, read_arrays, read_json, write_arrays, write_json
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError

RUN_FILE, INDEX_FILE, WEIGHTS_FILE = "run.json", "run_index.npz", MODEL_WEIGHTS
HISTORY_FILE, SUMMARY_FILE, METRICS_FILE = "history.csv", "train.json", "metrics.json"
STATE_FILE = "state.ckpt"
CHECKPOINTS = "checkpoints"  # subfolder, deleted when the training is done


class RunConfig(BaseModel):
    """All settings of a run, fully resolved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(description="name of the dataset")
    protocol: str = Field(description="name of the split protocol")
    variant: str = Field(description="name of the model variant")
    seed: int = Field(description="seed of the initial weights, the order of the data and the augmentation")
    classes: tuple[str, ...] = Field(description="class names, in the order of the outputs")
    task: str = Field(description="single or multilabel")
    policy: str | None = Field(None, description="label policy of the targets; null if unknown")
    preprocess: PreprocessConfig | None = Field(None, description="how the images were made; null if unknown")
    drawing: dict[str, Any] | None = Field(
        None, description="how records became pages (see SavedModel); plain values, for machines without layout files"
    )
    images: tuple[str, ...] = Field(description="packed image files, relative to the run's folder")
    init_from: str | None = Field(
        None, description="weights that training starts from, relative to the run's folder; null: random weights"
    )
    continue_from: str | None = Field(
        None,
        description="folder of the run whose training this one continues, relative to the run's folder; null: none",
    )
    model: ModelConfig
    train: TrainConfig

    def write(self, folder: Path) -> None:
        """Write run.json atomically."""
        write_json(folder / RUN_FILE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path | str) -> "RunConfig":
        """Read run.json.

        Raises:
            DataError: missing, damaged, or not a run configuration.
        """
        path = Path(folder) / RUN_FILE
        if not path.is_file():
            raise DataError(f"{path}: no such file; is {folder} a prepared run?")
        try:
            return cls.model_validate(read_json(path))
        except ValueError as error:  # pydantic's
            raise DataError(f"{path}: not a valid run configuration; delete it and run again\n{error}") from error


@dataclass(frozen=True)
class RunIndex:
    """Images and targets of a run's records.

    A record with several pages (train.windows) has one entry per page, its printed page first.

    Args:
        record_ids: (n,) strings.
        roles: (n,) int8, index into ROLES.
        files: (n,) int16, index into RunConfig.images.
        rows: (n,) int32, row in that file.
        targets: (n, classes) uint8 of 0 and 1.
    """

    record_ids: np.ndarray
    roles: np.ndarray
    files: np.ndarray
    rows: np.ndarray
    targets: np.ndarray

    def indices(self, role: str) -> np.ndarray:
        """Positions of the entries with a role."""
        return np.flatnonzero(self.roles == ROLES.index(role))

    def records(self, role: str) -> np.ndarray:
        """Position of the first entry of each record with a role."""
        positions = self.indices(role)
        return positions[np.sort(np.unique(self.record_ids[positions], return_index=True)[1])]

    def append(self, other: "RunIndex") -> "RunIndex":
        """This index, followed by another one."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return RunIndex(*(np.concatenate(pair) for pair in pairs))

    def write(self, folder: Path) -> None:
        """Write run_index.npz atomically."""
        write_arrays(
            folder / INDEX_FILE,
            record_ids=self.record_ids.astype(str),
            roles=self.roles.astype(np.int8),
            files=self.files.astype(np.int16),
            rows=self.rows.astype(np.int32),
            targets=self.targets.astype(np.uint8),
        )

    @classmethod
    def read(cls, folder: Path | str) -> "RunIndex":
        """Read run_index.npz.

        Raises:
            DataError: missing or damaged.
        """
        return cls(**read_arrays(Path(folder) / INDEX_FILE, [field.name for field in fields(cls)]))
