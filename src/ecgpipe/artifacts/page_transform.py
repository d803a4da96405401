"""How a photographed or scanned page was rectified before it became an image; stored in the image index."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

BEND_POINTS = 33
"""Points along the width at which the bend is stored; linear between them."""
FLAT = 5e-4
"""A bend below this fraction of the height is not stored."""

LEVEL = 0.5
"""Degrees up to which a page counts as straight."""


@dataclass(frozen=True)
class PageTransform:
    """Maps points on a page to points in its image, both as fractions of width and height.

    Attributes:
        matrix: float (3, 3), homography for (x, y), applied before the bend is removed.
        bend: float (BEND_POINTS,), how far the paper bends down, as a fraction of the image's height, from its left to
            its right edge; None if it is flat.
    """

    matrix: np.ndarray
    bend: np.ndarray | None = None

    @classmethod
    def fitted(cls, page: np.ndarray, image: np.ndarray) -> "PageTransform":
        """The transform that fits pairs of points best; the bend is the deviation from a homography.

        Args:
            page: (n, 2), fractions of the page's width and height.
            image: (n, 2), fractions of the image's width and height, on a grid that covers it.
        """
        matrix, _ = cv2.findHomography(page, image)
        moved = cv2.perspectiveTransform(page[None].astype(float), matrix)[0]
        columns, position = np.unique(np.round(image[:, 0], 6), return_inverse=True)
        left = np.bincount(position, moved[:, 1] - image[:, 1]) / np.bincount(position)
        if np.abs(left).max() < FLAT:
            return cls(matrix)
        return cls(matrix, np.interp(np.linspace(0, 1, BEND_POINTS), columns, left))

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) positions in the image of points x, y on the page; outside 0 to 1 they were cropped."""
        moved = cv2.perspectiveTransform(np.asarray(points, np.float64).reshape(1, -1, 2), self.matrix)[0]
        if self.bend is not None:
            moved[:, 1] -= np.interp(moved[:, 0], np.linspace(0, 1, BEND_POINTS), self.bend)
        return moved

    def to_page(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) positions on the page of points x, y in the image: the inverse of ``to_image``."""
        moved = np.array(points, np.float64).reshape(-1, 2)
        if self.bend is not None:
            moved[:, 1] += np.interp(moved[:, 0], np.linspace(0, 1, BEND_POINTS), self.bend)
        return cv2.perspectiveTransform(moved[None], np.linalg.inv(self.matrix))[0]

    def onto_page(self, image: np.ndarray, width: int, height: int) -> np.ndarray:
        """An image (h, w), warped onto the page: float32 (height, width); 0 where the page was cropped."""
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        positions = self.to_image(np.stack([x, y], axis=-1)).reshape(height, width, 2)
        inside = ((positions >= 0) & (positions <= 1)).all(axis=-1)
        pixels = (positions * image.shape[::-1] - 0.5).astype(np.float32)
        warped = cv2.remap(image.astype(np.float32), pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.where(inside, warped, np.float32(0))

    def upright(self, picture: np.ndarray, longest: int) -> np.ndarray:
        """The rectified page, cut out of the picture at about its resolution.

        Args:
            picture: uint8 (H, W) or (H, W, 3), the picture before rectification.
            longest: limit of the longer side of the result, pixels.

        Returns:
            uint8 (h, w) or (h, w, 3); areas outside the picture repeat its edge.
        """
        corners = self.to_page(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])) * picture.shape[1::-1]
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
        sides = np.array([sides[0::2].mean(), sides[1::2].mean()])
        width, height = np.maximum(np.rint(sides * min(1.0, longest / sides.max())), 1).astype(int).tolist()
        return self.seen_from_image(picture, width, height)

    def straightens(self, width: int, height: int) -> bool:
        """Whether a page of this size in pixels lies at an angle or is bent, which its image corrects."""
        corners = self.to_page(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])) * [width, height]
        (x, y), (x_down, y_down) = (corners[[1, 2]] - corners[[0, 3]]).T, (corners[[3, 2]] - corners[[0, 1]]).T
        level, plumb = np.abs(np.arctan2(y, x)), np.abs(np.arctan2(x_down, y_down))
        return self.bend is not None or float(np.degrees(max(level.max(), plumb.max()))) > LEVEL

    def seen_from_image(self, picture: np.ndarray, width: int, height: int) -> np.ndarray:
        """The part of the picture that the image shows, (height, width) pixels; the edge is repeated outside."""
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        positions = self.to_page(np.stack([x, y], axis=-1)).reshape(height, width, 2) * picture.shape[1::-1] - 0.5
        return cv2.remap(picture, positions.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def index_row(record_id: str, ink: float, transform: PageTransform | None) -> dict:
    """An image's row in the image index (``tables.IMAGE_INDEX``)."""
    return {
        "record_id": record_id,
        "ink": ink,
        "homography": None if transform is None else transform.matrix.ravel().tolist(),
        "bend": None if transform is None or transform.bend is None else transform.bend.tolist(),
    }


def read_transforms(files: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, PageTransform]:
    """Record -> transform, for those records whose image does not simply show the page.

    Args:
        files: index files of a dataset.
        record_ids: the records.
    """
    wanted = set(record_ids)
    return {
        record_id: transform
        for file in files
        for record_id, transform in read_index(file)
        if record_id in wanted and transform is not None
    }


def read_index(file: Path | str) -> list[tuple[str, PageTransform | None]]:
    """Record and transform of each image of a shard, in their order."""
    from ecgpipe.artifacts.tables import IMAGE_INDEX  # here, since rectifying a page does not require pandas

    found: list[tuple[str, PageTransform | None]] = []
    for row in IMAGE_INDEX.read(file).itertuples():
        transform = None
        if row.homography is not None:
            bend = None if row.bend is None else np.array(row.bend, float)
            transform = PageTransform(np.array(row.homography, float).reshape(3, 3), bend)
        found.append((row.record_id, transform))
    return found
