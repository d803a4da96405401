"""From a model's outputs to probabilities, as they come and calibrated. Needs NumPy alone."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


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
