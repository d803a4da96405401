"""How a photographed page was turned upright before it became an image; kept in the image index.

images/<shard>.index.parquet: which record each row of a shard's image array is, its ink, and how it was turned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

COLUMNS = 33
"""Places along the width at which a bend is kept; between them it is straight."""


@dataclass(frozen=True)
class PageTransform:
    """From places on a page to places in its image, both as shares of the width and the height.

    Attributes:
        matrix: float (3, 3), homography for (x, y), before the bend is taken out.
        bend: float (COLUMNS,), by what share of the image's height the paper bends down, from its left to its right
            edge; None where it lies flat.
    """

    matrix: np.ndarray
    bend: np.ndarray | None = None

    @classmethod
    def from_pixels(
        cls, matrix: np.ndarray, bend: np.ndarray, before: tuple[int, int], after: tuple[int, int]
    ) -> "PageTransform":
        """The same from pixels, of which the middle of the first is (0, 0).

        Args:
            matrix: homography from the page's pixels to the image's.
            bend: (width after,) pixels.
            before, after: (width, height) of the page and the image.
        """
        own = np.linalg.inv(_pixels(*after)) @ matrix @ _pixels(*before)
        if not bend.any():
            return cls(own / own[2, 2])
        columns = np.linspace(0, 1, COLUMNS) * after[0] - 0.5
        return cls(own / own[2, 2], np.interp(columns, np.arange(len(bend)), bend) / after[1])

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) x, y of the page are in the image; beyond 0 to 1 they are cut off."""
        moved = cv2.perspectiveTransform(np.asarray(points, np.float64).reshape(1, -1, 2), self.matrix)[0]
        if self.bend is not None:
            moved[:, 1] -= np.interp(moved[:, 0], np.linspace(0, 1, COLUMNS), self.bend)
        return moved

    def onto_page(self, image: np.ndarray, width: int, height: int) -> np.ndarray:
        """An image (h, w), float32, laid over the page as (height, width); 0 where the page was cut off."""
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        places = self.to_image(np.stack([x, y], axis=-1)).reshape(height, width, 2)
        inside = ((places >= 0) & (places <= 1)).all(axis=-1)
        own = (places * image.shape[::-1] - 0.5).astype(np.float32)
        laid = cv2.remap(image.astype(np.float32), own, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.where(inside, laid, np.float32(0))

    def upright(self, picture: np.ndarray, longest: int) -> np.ndarray:
        """The page as its image has it, cut out of the picture and turned, in about the picture's resolution.

        Args:
            picture: uint8 (H, W) or (H, W, 3), what was turned.
            longest: pixels that the result's longer side has at most.

        Returns:
            uint8 (h, w) or (h, w, 3); what the picture does not show repeats its edge.
        """
        size = np.array(picture.shape[1::-1], float)
        back = np.linalg.inv(self.matrix)
        corners = cv2.perspectiveTransform(np.array([[[0.0, 0], [1, 0], [1, 1], [0, 1]]]), back)[0] * size
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
        sides = np.array([sides[0::2].mean(), sides[1::2].mean()])
        width, height = np.maximum(np.rint(sides * min(1.0, longest / sides.max())), 1).astype(int).tolist()
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        if self.bend is not None:
            y = y + np.interp(x[0], np.linspace(0, 1, COLUMNS), self.bend)
        places = cv2.perspectiveTransform(np.stack([x, y], axis=-1), back) * size - 0.5
        return cv2.remap(picture, places.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pixels(width: int, height: int) -> np.ndarray:
    """From shares to pixels."""
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])


def index_row(record_id: str, ink: float, turn: PageTransform | None) -> dict:
    """The row of an image."""
    return {
        "record_id": record_id,
        "ink": ink,
        "turn": None if turn is None else turn.matrix.ravel().tolist(),
        "bend": None if turn is None or turn.bend is None else turn.bend.tolist(),
    }


def read_transforms(files: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, PageTransform]:
    """Record -> how its page was turned, of those records whose page was.

    Args:
        files: index files of a data set.
        record_ids: which records.
    """
    from ecgpipe.artifacts.tables import IMAGE_INDEX  # only this function needs tables

    wanted, turns = set(record_ids), {}
    for file in files:
        table = IMAGE_INDEX.read(file)
        for row in table[table["record_id"].isin(wanted) & table["turn"].notna()].itertuples():
            bend = None if row.bend is None else np.array(row.bend, float)
            turns[row.record_id] = PageTransform(np.array(row.turn, float).reshape(3, 3), bend)
    return turns
