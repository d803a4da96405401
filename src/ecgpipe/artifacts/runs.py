"""A run: one training, in results/<dataset>/<protocol>/<model>/seed-<n>/.

    run.json             what to train, completely (RunConfig)                    made by: prepare
    run_index.npz            which image rows, with roles and targets (Items)         prepare
    weights.safetensors  the weights with the lowest validation loss              train
    history.csv          losses, rate, metrics and speed per epoch                train
    train.json           how it went: epochs, best epoch, seconds, versions       train
    predictions.parquet  logits of the validation and test records                predict
    metrics.json         scores                                                   evaluate
    model/               all that is needed to use the model (model_folder)       card

The first two are all that training needs besides the image files; neither needs pandas or pyarrow.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import NPZ_ERRORS, atomic_path, file_crc32, read_json, whole, write_json
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError

RUN_FILE, INDEX_FILE, WEIGHTS_FILE = "run.json", "run_index.npz", "weights.safetensors"
HISTORY_FILE, SUMMARY_FILE, METRICS_FILE = "history.csv", "train.json", "metrics.json"
CHECKPOINTS = "checkpoints"  # a folder below the run's, gone when training is done


class RunConfig(BaseModel):
    """Everything that decides how a model is trained; written resolved, so that nothing else need be looked up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(description="name of the data set")
    protocol: str = Field(description="name of the split protocol")
    variant: str = Field(description="name of the model variant")
    seed: int = Field(description="seeds the initial weights, the order of the data and the augmentation")
    classes: tuple[str, ...] = Field(description="class names, in the order of the outputs")
    task: str = Field(description="single or multilabel")
    policy: str | None = Field(None, description="label policy behind the targets; null where it is not known")
    preprocess: PreprocessConfig | None = Field(None, description="how the images were made; null if not known")
    drawing: dict[str, Any] | None = Field(
        None, description="how records became pages (see SavedModel); plain values, for machines without layout files"
    )
    images: tuple[str, ...] = Field(description="packed image files, relative to the run's folder")
    init_from: str | None = Field(
        None, description="weights that the training starts from, relative to the run's folder; null: random ones"
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
            DataError: missing, not JSON, or of another version of the format.
        """
        path = Path(folder) / RUN_FILE
        try:
            return cls.model_validate(whole(json.loads(path.read_bytes())))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error}); is {folder} a prepared run?") from error
        except ValueError as error:  # also of pydantic, and of JSON
            raise DataError(
                f"{path}: not a valid run configuration; delete it and run again, which prepares the run anew\n{error}"
            ) from error


def check_history(folder: Path) -> None:
    """Compare a finished training's history.csv with what train.json says of it.

    Raises:
        DataError: it is damaged.
    """
    path, summary = folder / HISTORY_FILE, folder / SUMMARY_FILE
    expected = read_json(summary).get("history_crc32") if summary.is_file() else None
    if expected is not None and path.is_file() and file_crc32(path) != expected:
        raise DataError(
            f"{path}: damaged: its content does not fit its checksum in {SUMMARY_FILE}; delete it and run again"
        )


@dataclass(frozen=True)
class RunIndex:
    """The records of a run; one that gives several pages (train.windows) is an item for each, its printed page first.

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
        """Positions of the records with a role."""
        return np.flatnonzero(self.roles == ROLES.index(role))

    def records(self, role: str) -> np.ndarray:
        """The first position of each record with a role."""
        positions = self.indices(role)
        return positions[np.sort(np.unique(self.record_ids[positions], return_index=True)[1])]

    def with_further(self, other: "RunIndex") -> "RunIndex":
        """These, and others behind them."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return RunIndex(*(np.concatenate(pair) for pair in pairs))

    def write(self, folder: Path) -> None:
        """Write run_index.npz atomically."""
        with atomic_path(folder / INDEX_FILE) as partial, open(partial, "wb") as file:
            np.savez_compressed(
                file,
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
            DataError: missing or broken.
        """
        path = Path(folder) / INDEX_FILE
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name in ("record_ids", "roles", "files", "rows", "targets")})
        except NPZ_ERRORS as error:
            raise DataError(f"{path}: cannot be read ({error}); delete it and run again") from error
