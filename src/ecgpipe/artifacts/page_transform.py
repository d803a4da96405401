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
    def from_pixels(
        cls, matrix: np.ndarray, bend: np.ndarray, before: tuple[int, int], after: tuple[int, int]
    ) -> "PageTransform":
        """From a transform of pixels; (0, 0) is the centre of the first pixel.

        Args:
            matrix: homography from the page's pixels to the image's.
            bend: (width after,) pixels.
            before, after: (width, height) of the page and of the image.
        """
        relative = np.linalg.inv(_to_pixels(*after)) @ matrix @ _to_pixels(*before)
        relative /= relative[2, 2]
        if not bend.any():
            return cls(relative)
        columns = np.linspace(0, 1, BEND_POINTS) * after[0] - 0.5
        return cls(relative, np.interp(columns, np.arange(len(bend)), bend) / after[1])

    @classmethod
    def fitted(cls, page: np.ndarray, image: np.ndarray) -> "PageTransform":
        """The transform that fits pairs of points best; the bend is what a homography leaves.

        Args:
            page: (n, 2), fractions of the page's width and height.
            image: (n, 2), fractions of the image's, on a grid that covers it.
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

    def onto_page(self, image: np.ndarray, width: int, height: int) -> np.ndarray:
        """An image (h, w), warped onto the page: float32 (height, width); 0 where the page was cropped."""
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        places = self.to_image(np.stack([x, y], axis=-1)).reshape(height, width, 2)
        inside = ((places >= 0) & (places <= 1)).all(axis=-1)
        pixels = (places * image.shape[::-1] - 0.5).astype(np.float32)
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
        size = np.array(picture.shape[1::-1], float)
        back = np.linalg.inv(self.matrix)
        corners = cv2.perspectiveTransform(np.array([[[0.0, 0], [1, 0], [1, 1], [0, 1]]]), back)[0] * size
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
        sides = np.array([sides[0::2].mean(), sides[1::2].mean()])
        width, height = np.maximum(np.rint(sides * min(1.0, longest / sides.max())), 1).astype(int).tolist()
        return self.seen_from_image(picture, width, height)

    def seen_from_image(self, picture: np.ndarray, width: int, height: int) -> np.ndarray:
        """What the image shows of the picture, (height, width) pixels; the picture's edge is repeated outside of it."""
        size = np.array(picture.shape[1::-1], float)
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        if self.bend is not None:
            y = y + np.interp(x[0], np.linspace(0, 1, BEND_POINTS), self.bend)
        places = cv2.perspectiveTransform(np.stack([x, y], axis=-1), np.linalg.inv(self.matrix)) * size - 0.5
        return cv2.remap(picture, places.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _to_pixels(width: int, height: int) -> np.ndarray:
    """(3, 3) homography from fractions to pixels."""
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])


def index_row(record_id: str, ink: float, transform: PageTransform | None) -> dict:
    """An image's row in the image index (``tables.IMAGE_INDEX``)."""
    return {
        "record_id": record_id,
        "ink": ink,
        "homography": None if transform is None else transform.matrix.ravel().tolist(),
        "bend": None if transform is None or transform.bend is None else transform.bend.tolist(),
    }


def read_transforms(files: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, PageTransform]:
    """Record -> transform, for those records whose page was rectified.

    Args:
        files: index files of a dataset.
        record_ids: the records.
    """
    from ecgpipe.artifacts.tables import IMAGE_INDEX  # here, since rectifying a page does not require pandas

    wanted, transforms = set(record_ids), {}
    for file in files:
        table = IMAGE_INDEX.read(file)
        for row in table[table["record_id"].isin(wanted) & table["homography"].notna()].itertuples():
            bend = None if row.bend is None else np.array(row.bend, float)
            transforms[row.record_id] = PageTransform(np.array(row.homography, float).reshape(3, 3), bend)
    return transforms
