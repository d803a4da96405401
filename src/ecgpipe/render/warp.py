"""Random choices for one degraded page, and its geometry: a wave of the paper, then a homography.

The map has an exact inverse, so picture, samples, boxes and mask all move in the same way. Points are (x, y); pixel i
covers i to i + 1.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ecgpipe.config.pages import DEGRADE_KINDS, DegradeConfig

STEP = 4  # pixels between the points where the map is computed; linear in between


def kind_generator(seed: int, record_id: str, kind: str) -> np.random.Generator:
    """Random numbers for one kind on one record's page, independent of other records, other kinds and the order."""
    digest = hashlib.sha256(f"{seed}/{record_id}/{kind}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


class SampledKinds:
    """The kinds of degradation sampled for one record.

    Attributes:
        strength: {kind: strength} of the kinds that are applied.
    """

    def __init__(self, config: DegradeConfig, record_id: str) -> None:
        self.strength: dict[str, float] = {}
        self._generators: dict[str, np.random.Generator] = {}
        for kind in DEGRADE_KINDS:
            effect, rng = config.effect(kind), kind_generator(config.seed, record_id, kind)
            applied, strength = rng.random() < effect.probability, rng.uniform(*effect.range)
            self._generators[kind] = rng
            if applied:
                self.strength[kind] = float(strength)

    def rng(self, kind: str) -> np.random.Generator:
        return self._generators[kind]

    def get(self, kind: str) -> float:
        """The strength of a kind, or 0 where it is not applied."""
        return self.strength.get(kind, 0.0)

    def count(self, kind: str) -> int:
        return round(self.get(kind))


@dataclass(frozen=True)
class Warp:
    """Moves points of a page (H, W) to points of an image of the same size.

    Attributes:
        shape: height and width in pixels.
        matrix: homography (3, 3) from the waved page to the image.
        height, length, phase: of the wave, in pixels and radians: y moves by height * sin(2 pi x / length + phase).
    """

    shape: tuple[int, int]
    matrix: np.ndarray
    height: float = 0.0
    length: float = 1.0
    phase: float = 0.0

    @property
    def identity(self) -> bool:
        return not self.height and np.array_equal(self.matrix, np.eye(3))

    def _wave(self, x: np.ndarray) -> np.ndarray:
        return self.height * np.sin(2 * np.pi * x / self.length + self.phase)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points (n, 2) from the page to the image."""
        waved = np.stack([points[:, 0], points[:, 1] + self._wave(points[:, 0])], axis=1)
        return _project(self.matrix, waved)

    def inverse(self, points: np.ndarray) -> np.ndarray:
        """Move points (n, 2) from the image to the page."""
        page = _project(np.linalg.inv(self.matrix), points)
        page[:, 1] -= self._wave(page[:, 0])
        return page

    @cached_property
    def _coarse(self) -> tuple[np.ndarray, np.ndarray]:
        """Page coordinates of the centres of cells of STEP pixels, with a margin of one cell."""
        rows, columns = (-(-size // STEP) for size in self.shape)
        x, y = np.meshgrid((np.arange(-1, columns + 1) + 0.5) * STEP, (np.arange(-1, rows + 1) + 0.5) * STEP)
        page = self.inverse(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(*x.shape, 2).astype(np.float32)
        return page[:, :, 0], page[:, :, 1]

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.shape
        maps = []
        for coarse in self._coarse:
            fine = cv2.resize(coarse, (coarse.shape[1] * STEP, coarse.shape[0] * STEP), interpolation=cv2.INTER_LINEAR)
            maps.append(fine[STEP : STEP + height, STEP : STEP + width] - np.float32(0.5))
        return cv2.convertMaps(*maps, cv2.CV_16SC2)

    def image(self, image: np.ndarray, background: int | tuple[int, int, int]) -> np.ndarray:
        """Move an image (H, W) or (H, W, 3); ``background`` fills the area outside the paper."""
        if self.identity:
            return image
        value = background if isinstance(background, tuple) else (background,) * 3
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=value)

    def field(self, field: np.ndarray) -> np.ndarray:
        """Move a coarse field float32 (H / STEP, W / STEP); 1 outside the paper."""
        if self.identity:
            return field
        x, y = (coarse[1:-1, 1:-1] / STEP - np.float32(0.5) for coarse in self._coarse)
        return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(1, 1, 1))


def _project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]  # written out: BLAS is slow on so few columns
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in matrix)
    return np.stack([u / w, v / w], axis=1)


def sample_warp(kinds: SampledKinds, shape: tuple[int, int], scale: float) -> Warp:
    """Build the warp of the kinds bend, rotation, perspective and crop; ``scale`` in pixels per mm."""
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    moved = corners.copy()
    if angle := np.deg2rad(kinds.get("rotation")):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = (moved - (width / 2, height / 2)) @ rotation.T + (width / 2, height / 2)
    if strength := kinds.get("perspective") / 100:
        moved += kinds.rng("perspective").uniform(-strength, strength, (4, 2)) * (width, height)
    if edge := kinds.get("crop") / 100:
        shares = edge * kinds.rng("crop").uniform(0.5, 1, 4)  # left, top, right, bottom
        low, high = shares[:2] * (width, height), (1 - shares[2:]) * (width, height)
        moved = (moved - low) / (high - low) * (width, height)
    same = np.array_equal(moved, corners)
    matrix = np.eye(3) if same else cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    rng = kinds.rng("bend")
    length, phase = rng.uniform(0.8, 2.0) * width, rng.uniform(0, 2 * np.pi)
    return Warp((height, width), matrix, kinds.get("bend") * scale, float(length), float(phase))
