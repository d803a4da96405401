"""Out-of-distribution score of an image: its distance from the training images, divided by a limit.

There are two Mahalanobis distances (Lee et al. 2018, but not per class): of the features that the model's last linear
layer reads, and of the spatial distribution of ink in the preprocessed image. Means and covariances are estimated from
training images; the covariances are shrunk, because small runs have fewer images than features. Each distance is
divided by its limit, and the score is the larger quotient. The limits are set so that 99% of the *validation* images
score 1 or less.

A saved model contains only means and matrices, no data of individual records.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.model_folder import OOD_FILE, OodLimits
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import DataError
from ecgpipe.models.gaussian import QUANTILE, Gaussian, read_gaussians, write_gaussians
from ecgpipe.models.inputs import to_input
from ecgpipe.progress import progress

MAX_IMAGES = {"train": 2000, "validation": 1000}  # enough for means and covariances
BANDS, CELLS = 32, 8  # rows and columns, and cells per side, of the ink statistics
MIN_INK_STD = 1e-3  # smaller deviations of a band's ink are not suspicious
PARTS = ("features", "ink")
REMEDY = "save the model again (ecgpipe card)"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OodDetector:
    """Scores images by their distance from training images.

    Attributes:
        features, ink: Gaussians fitted to training images.
        limits: of the two distances; stored in config.json.
    """

    features: Gaussian
    ink: Gaussian
    limits: OodLimits

    def scores(self, features: np.ndarray, packed: np.ndarray) -> np.ndarray:
        """Return the scores (n, 2) of features and ink; an image is unusual if the larger one exceeds 1.

        Args:
            features: (n, d) input of the model's last linear layer.
            packed: (n, size, size / 8) uint8 preprocessed images.
        """
        distances = np.stack([self.features.distance(features), self.ink.distance(ink_statistics(packed))], axis=1)
        return distances / np.array([self.limits.features, self.limits.ink])

    def write(self, folder: Path) -> None:
        """Write ood.safetensors."""
        write_gaussians(folder / OOD_FILE, {f"{part}.": getattr(self, part) for part in PARTS})

    @classmethod
    def read(cls, folder: Path | str, limits: OodLimits) -> "OodDetector":
        """Read ood.safetensors.

        Raises:
            DataError: missing or damaged.
        """
        features, ink = read_gaussians(Path(folder) / OOD_FILE, [f"{part}." for part in PARTS], REMEDY)
        return cls(features, ink, limits)


def ink_statistics(packed: np.ndarray) -> np.ndarray:
    """Describe the spatial distribution of ink.

    Args:
        packed: (n, size, size / 8) uint8.

    Returns:
        (n, 1 + 2 * BANDS + CELLS²) float64: 0.1 times the logarithm of the total share of ink, and the shares in bands
        of rows, bands of columns, and cells.
    """
    images = torch.from_numpy(unpack(np.ascontiguousarray(packed))).unsqueeze(1).float()
    means = [
        F.adaptive_avg_pool2d(images, shape).flatten(1) for shape in ((BANDS, 1), (1, BANDS), (CELLS, CELLS), (1, 1))
    ]
    rows, columns, cells, total = (part.numpy().astype(np.float64) for part in means)
    return np.concatenate([0.1 * np.log(total + MIN_INK_STD), rows, columns, cells], axis=1)


def logits_and_features(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits (n, classes), and the input (n, d) of the last linear layer; without one, the logits twice."""
    classifier: Any = getattr(model, "get_classifier", None)
    last = classifier() if classifier is not None else None
    last = last[0] if isinstance(last, tuple) else last
    if not isinstance(last, nn.Module) or isinstance(last, nn.Identity):
        logits = model(images)
        return logits, logits
    inputs_seen: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda module, inputs: inputs_seen.append(inputs[0]))
    try:
        logits = model(images)
    finally:
        hook.remove()
    if not inputs_seen:
        return logits, logits
    features = inputs_seen[0]
    return logits, features.mean(dim=(2, 3)) if features.ndim == 4 else features.flatten(1)


def fit_ood(model: nn.Module, folder: Path, run: RunConfig, index: RunIndex) -> OodDetector | None:
    """Fit a detector to training images of a run, and its limits to validation images.

    Args:
        model: trained, in eval mode.
        folder: the run's folder.
        run: its configuration.
        index: its index.

    Returns:
        The detector; None if the images are missing or the features are not finite.
    """
    try:
        files = [open_images(folder / name) for name in run.images]
    except DataError as error:
        logger.warning("no out-of-distribution score available: %s", error)
        return None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    positions = {role: _sample(index.records(role), most) for role, most in MAX_IMAGES.items()}
    (features, ink), (validation_features, validation_ink) = (
        _features_and_ink(model, device, files, run, index, positions[role]) for role in MAX_IMAGES
    )
    model.cpu()
    if not all(np.isfinite(part).all() for part in (features, validation_features)):
        logger.warning("no out-of-distribution score available: the model's features are not finite")
        return None
    typical_std = float(np.median(features.std(axis=0)))
    gaussians = Gaussian.fit(features, max(0.01 * typical_std, 1e-6)), Gaussian.fit(ink, MIN_INK_STD)
    distances = np.stack(
        [
            gaussian.distance(part)
            for gaussian, part in zip(gaussians, (validation_features, validation_ink), strict=True)
        ]
    )
    distances = np.maximum(distances, 1e-6)
    limits = _quantile(distances)[:, None]
    limits = limits * _quantile((distances / limits).max(axis=0))  # of the larger score
    return OodDetector(
        *gaussians,
        OodLimits(
            features=float(limits[0, 0]),
            ink=float(limits[1, 0]),
            quantile=QUANTILE,
            training_images=len(positions["train"]),
            validation_images=len(positions["validation"]),
        ),
    )


def _quantile(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, QUANTILE, axis=-1, method="higher")


def _sample(positions: np.ndarray, most: int) -> np.ndarray:
    if len(positions) <= most:
        return positions
    return np.sort(np.random.default_rng(0).choice(positions, most, replace=False))


def _features_and_ink(
    model: nn.Module,
    device: torch.device,
    files: list[np.ndarray],
    run: RunConfig,
    index: RunIndex,
    positions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and ink statistics of some images."""

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(positions), run.train.batch_size):
            part = positions[start : start + run.train.batch_size]
            yield np.stack([files[index.files[i]][index.rows[i]] for i in part])

    features, ink = [], []
    total = -(-len(positions) // run.train.batch_size)
    with torch.inference_mode():
        for packed in progress(batches(), f"features {run.dataset}/{run.variant}", total, "batches"):
            images = to_input(torch.from_numpy(packed).to(device), run.model.image_size, run.model.in_chans)
            features.append(logits_and_features(model, images)[1].float().cpu().numpy())
            ink.append(ink_statistics(packed))
    return np.concatenate(features), np.concatenate(ink)
