"""Whether an image looks like those that a model was trained on: an out-of-distribution score with its threshold.

Two Mahalanobis distances (Lee et al. 2018, without their classes): of the features that the model's last linear layer
reads, and of where the preprocessed image has its ink. Each mean and covariance is of training images; the covariance
is shrunk (OAS, Chen et al. 2010), since features outnumber images in small runs. The score is the larger of the two,
each divided by its limit. Limits are such that a stated share of the *validation* images scores 1 or less.

A model's folder keeps means and matrices only (safetensors): nothing of a single record.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional as F

from ecgpipe.artifacts.files import atomic_path, verify
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.model_folder import OOD_FILE, OodLimits
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import DataError
from ecgpipe.models.inputs import to_input
from ecgpipe.progress import progress

QUANTILE = 0.99
MOST_TRAINING, MOST_VALIDATION = 2000, 1000  # images looked at; more would not move a mean
BANDS, CELLS = 32, 8  # rows and columns of ink, and squares of a side, that the second distance counts in
LEAST_INK = 1e-3  # of a band: a deviation below this is no reason for suspicion
PARTS = ("features", "ink")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Normal:
    """A mean and what makes deviations from it of unit variance.

    Attributes:
        mean: float32 (d,).
        whiten: float32 (d, d).
    """

    mean: np.ndarray
    whiten: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, floor: float) -> "Normal":
        """Of (n, d) vectors; deviations of a coordinate below ``floor`` count as so large."""
        vectors = vectors.astype(np.float64)
        mean = vectors.mean(axis=0)
        deviation = np.maximum(vectors.std(axis=0), floor)
        covariance = shrunk_covariance((vectors - mean) / deviation)
        values, axes = np.linalg.eigh(covariance)
        whiten = (axes / np.sqrt(np.maximum(values, 1e-8))) @ axes.T / deviation[:, None]
        return cls(mean.astype(np.float32), whiten.astype(np.float32))

    def distance(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) -> (n,): root of the mean square of the whitened coordinates; about 1 for the vectors fitted."""
        moved = (vectors.astype(np.float64) - self.mean) @ self.whiten
        return np.sqrt((moved**2).mean(axis=1))


def shrunk_covariance(vectors: np.ndarray) -> np.ndarray:
    """Oracle approximating shrinkage of the covariance of centred vectors (n, d) towards equal variances."""
    n, d = vectors.shape
    covariance = vectors.T @ vectors / n
    level = np.trace(covariance) / d
    spread = (covariance**2).mean()
    over = (n + 1) * (spread - level**2 / d)
    share = 1.0 if over <= 0 else min(1.0, (spread + level**2) / over)
    # a variance of 0, of images that are all the same, still has a neighbourhood
    return (1 - share) * covariance + (share * level + 1e-6) * np.eye(d)


@dataclass(frozen=True)
class OodDetector:
    """Scores images by their distance from training images.

    Attributes:
        features, ink: of training images.
        limits: of the two distances; from config.json.
    """

    features: Normal
    ink: Normal
    limits: OodLimits

    def scores(self, features: np.ndarray, packed: np.ndarray) -> np.ndarray:
        """How far images are from those of the training; above 1 is unusual.

        Args:
            features: (n, d), what the model's last linear layer read.
            packed: uint8 (n, size, size / 8), the preprocessed images.

        Returns:
            (n, 2): of features and of ink, each divided by its limit. An image's score is the larger one.
        """
        found = np.stack([self.features.distance(features), self.ink.distance(ink_statistics(packed))], axis=1)
        return found / np.array([self.limits.features, self.limits.ink])

    def write(self, folder: Path) -> None:
        """Write ood.safetensors; the limits are in config.json."""
        tensors = {
            f"{part}.{name}": np.ascontiguousarray(getattr(getattr(self, part), name))
            for part in PARTS
            for name in ("mean", "whiten")
        }
        with atomic_path(folder / OOD_FILE) as partial:
            save_file(tensors, partial)

    @classmethod
    def read(cls, folder: Path | str, limits: OodLimits) -> "OodDetector":
        """Read ood.safetensors.

        Raises:
            DataError: missing or broken.
        """
        path = Path(folder) / OOD_FILE
        verify(path)
        try:
            tensors = load_file(path)
            features, ink = (Normal(tensors[f"{part}.mean"], tensors[f"{part}.whiten"]) for part in PARTS)
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{path}: cannot be read ({error}); save the model again (ecgpipe card)") from error
        if any(part.whiten.shape != part.mean.shape * 2 for part in (features, ink)):
            raise DataError(f"{path}: its arrays do not fit each other; save the model again (ecgpipe card)")
        return cls(features, ink, limits)


def ink_statistics(packed: np.ndarray) -> np.ndarray:
    """Where images have their ink.

    Args:
        packed: uint8 (n, size, size / 8).

    Returns:
        float64 (n, 1 + 2 * BANDS + CELLS²): the logarithm of the share of ink in all, and its shares in bands of rows,
        of columns, and in squares.
    """
    # by float32 sums of at most 4096² ones: exact
    images = torch.from_numpy(unpack(np.ascontiguousarray(packed))).unsqueeze(1).float()
    means = [
        F.adaptive_avg_pool2d(images, shape).flatten(1) for shape in ((BANDS, 1), (1, BANDS), (CELLS, CELLS), (1, 1))
    ]
    rows, columns, squares, every = (part.numpy().astype(np.float64) for part in means)
    return np.concatenate([0.1 * np.log(every + LEAST_INK), rows, columns, squares], axis=1)


def logits_and_features(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, classes) of images, and (n, d) what the model's last linear layer read; logits, if it has none."""
    classifier: Any = getattr(model, "get_classifier", None)
    last = classifier() if classifier is not None else None
    last = last[0] if isinstance(last, tuple) else last
    if not isinstance(last, nn.Module) or isinstance(last, nn.Identity):
        logits = model(images)
        return logits, logits
    seen: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        logits = model(images)
    finally:
        hook.remove()
    if not seen:
        return logits, logits
    features = seen[0]
    return logits, features.mean(dim=(2, 3)) if features.ndim == 4 else features.flatten(1)


def fit_ood(model: nn.Module, folder: Path, run: RunConfig, items: RunIndex) -> OodDetector | None:
    """Fit a detector on training images of a run, its limits on validation images.

    Args:
        model: with its trained weights, in eval mode.
        folder: of the run.
        run, items: what is in it.

    Returns:
        The detector; None where the run's images are no longer there, or the model's features are no numbers.
    """
    try:
        files = [open_images(folder / name) for name in run.images]
    except DataError as error:
        logger.warning("no out-of-distribution statistics: %s", error)
        return None
    chosen = [
        _some(items.records(role), most) for role, most in (("train", MOST_TRAINING), ("validation", MOST_VALIDATION))
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    seen = [_look(model, device, files, run, items, positions) for positions in chosen]
    model.cpu()
    (features, ink), (features_of_others, ink_of_others) = seen
    if not all(np.isfinite(part).all() for part in (features, features_of_others)):
        logger.warning("no out-of-distribution statistics: the model's features are no numbers")
        return None
    deviation = float(np.median(features.std(axis=0)))
    normals = Normal.fit(features, max(0.01 * deviation, 1e-6)), Normal.fit(ink, LEAST_INK)
    distances = [
        np.maximum(normal.distance(part), 1e-6)
        for normal, part in zip(normals, (features_of_others, ink_of_others), strict=True)
    ]
    usual = [float(np.quantile(part, QUANTILE, method="higher")) for part in distances]
    joint = np.max([part / limit for part, limit in zip(distances, usual, strict=True)], axis=0)
    widen = float(np.quantile(joint, QUANTILE, method="higher"))
    limits = OodLimits(
        features=usual[0] * widen,
        ink=usual[1] * widen,
        quantile=QUANTILE,
        training_images=len(chosen[0]),
        validation_images=len(chosen[1]),
    )
    return OodDetector(*normals, limits)


def _some(positions: np.ndarray, most: int) -> np.ndarray:
    if len(positions) <= most:
        return positions
    return np.sort(np.random.default_rng(0).choice(positions, most, replace=False))


def _look(
    model: nn.Module,
    device: torch.device,
    files: list[np.ndarray],
    run: RunConfig,
    items: RunIndex,
    positions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and ink statistics of some items."""

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(positions), run.train.batch_size):
            part = positions[start : start + run.train.batch_size]
            yield np.stack([files[items.files[i]][items.rows[i]] for i in part])

    features, ink = [], []
    total = -(-len(positions) // run.train.batch_size)
    with torch.inference_mode():
        for packed in progress(batches(), f"features {run.dataset}/{run.variant}", total, "batches"):
            images = to_input(torch.from_numpy(packed).to(device), run.model.image_size, run.model.in_chans)
            features.append(logits_and_features(model, images)[1].float().cpu().numpy())
            ink.append(ink_statistics(packed))
    return np.concatenate(features), np.concatenate(ink)
