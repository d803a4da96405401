"""The Mahalanobis distance behind out-of-distribution scores, with a shrunk covariance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ecgpipe.artifacts.files import atomic_path, verify
from ecgpipe.errors import DataError

QUANTILE = 0.99
"""Share of the validation data whose distances are within the limit."""


@dataclass(frozen=True)
class Gaussian:
    """A mean and the matrix that whitens deviations from it.

    Attributes:
        mean: (d,) float32.
        whiten: (d, d) float32.
    """

    mean: np.ndarray
    whiten: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, min_std: float) -> "Gaussian":
        """Fit to (n, d) vectors, with standard deviations of at least ``min_std``."""
        vectors = vectors.astype(np.float64)
        mean = vectors.mean(axis=0)
        std = np.maximum(vectors.std(axis=0), min_std)
        covariance = shrunk_covariance((vectors - mean) / std)
        values, axes = np.linalg.eigh(covariance)
        whiten = (axes / np.sqrt(np.maximum(values, 1e-8))) @ axes.T / std[:, None]
        return cls(mean.astype(np.float32), whiten.astype(np.float32))

    def distance(self, vectors: np.ndarray) -> np.ndarray:
        """Return the RMS of the whitened coordinates of (n, d) vectors, (n,); about 1 for the fitted ones."""
        whitened = (vectors.astype(np.float64) - self.mean) @ self.whiten
        return np.sqrt((whitened**2).mean(axis=1))


def shrunk_covariance(vectors: np.ndarray) -> np.ndarray:
    """Oracle approximating shrinkage (Chen et al. 2010) of the covariance of centred vectors (n, d).

    Same as scikit-learn's ``OAS(assume_centered=True)``, so that training does not require scikit-learn.
    """
    n, d = vectors.shape
    covariance = vectors.T @ vectors / n
    level = np.trace(covariance) / d
    spread = (covariance**2).mean()
    excess = (n + 1) * (spread - level**2 / d)
    share = 1.0 if excess <= 0 else min(1.0, (spread + level**2) / excess)
    return (1 - share) * covariance + (share * level + 1e-6) * np.eye(d)  # 1e-6: identical images have variance 0


def write_gaussians(path: Path, gaussians: Mapping[str, Gaussian]) -> None:
    """Write a safetensors file atomically; the keys are prefixes of the arrays' names."""
    tensors = {
        f"{prefix}{name}": np.ascontiguousarray(getattr(gaussian, name))
        for prefix, gaussian in gaussians.items()
        for name in ("mean", "whiten")
    }
    with atomic_path(path) as partial:
        save_file(tensors, partial)


def read_gaussians(path: Path, prefixes: Sequence[str], remedy: str) -> list[Gaussian]:
    """Read a file of ``write_gaussians``.

    Raises:
        DataError: missing or damaged; the message ends with the remedy.
    """
    verify(path)
    try:
        tensors = load_file(path)
        gaussians = [Gaussian(tensors[f"{prefix}mean"], tensors[f"{prefix}whiten"]) for prefix in prefixes]
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {remedy}") from error
    if any(each.whiten.shape != each.mean.shape * 2 for each in gaussians):
        raise DataError(f"{path}: the shapes of its arrays do not match; {remedy}")
    return gaussians
