"""The upright page: flattened pictures and maps with a known number of pixels per millimetre."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ecgpipe.reader.geometry import PageGeometry
from ecgpipe.reader.phase import LocalShift

STEP = 32  # pixels between the points where the inverse map is computed; it is linear between them
STARTS = 24  # points of the picture per side from which the search for the inverse starts


@dataclass(frozen=True)
class Frame:
    """An upright rectangle of the page. The upper left corner of its pixel (0, 0) is at ``origin``.

    Attributes:
        geometry: of the picture.
        origin: x, y in mm of the page's own coordinates (PageGeometry).
        pixels_per_mm: resolution.
        positions: float32 (h, w, 2), the position x, y in the picture of each pixel's centre; the picture's first
            pixel reaches from 0 to 1.
        local: folds and waves of the paper, which ``positions`` and ``to_mm`` take into account.
    """

    geometry: PageGeometry = field(repr=False)
    origin: np.ndarray
    pixels_per_mm: float
    positions: np.ndarray = field(repr=False)
    local: LocalShift | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.positions.shape[0], self.positions.shape[1]

    def warp(self, picture: np.ndarray, scale: float = 1.0, border: int | None = None) -> np.ndarray:
        """Show a picture or map upright.

        Args:
            picture: (H, W) or (H, W, channels), uint8 or float32.
            scale: its pixels per pixel of the original picture.
            border: value outside the picture; None repeats the picture's edge.
        """
        positions = self.positions * np.float32(scale)
        positions -= 0.5
        if border is None:
            return cv2.remap(picture, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        value = (border,) * 4
        return cv2.remap(picture, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=value)

    def thinned(self, step: int) -> "Frame":
        """The same frame with only every ``step``-th pixel in each direction."""
        return replace(self, pixels_per_mm=self.pixels_per_mm / step, positions=self.positions[::step, ::step].copy())

    def to_mm(self, points: np.ndarray) -> np.ndarray:
        """Convert positions (n, 2) in the picture to mm from the frame's upper left corner."""
        page = self.geometry.to_page(points) - self.origin
        return page if self.local is None else page + self.local.at(points)

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """Convert points (n, 2) in pixels of the frame, inside it or not, to positions in the picture."""
        limit = np.array(self.shape[::-1]) - 1
        nearest = np.clip(np.rint(points - 0.5), 0, limit).astype(int)
        start = self.positions[nearest[:, 1], nearest[:, 0]]
        page = self.origin + points / self.pixels_per_mm
        return self.geometry.to_picture(page if self.local is None else page - self.local.at(start), start)

    def straightened(self, local: LocalShift) -> "Frame":
        """The same frame without folds and waves of the paper."""
        height, width = self.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        moved = local.over(self.positions) * np.float32(self.pixels_per_mm)
        positions = cv2.remap(
            self.positions, x - moved[..., 0], y - moved[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        return replace(self, positions=positions, local=local)


def frame_around(
    content: np.ndarray, geometry: PageGeometry, shape: tuple[int, int], pixels_per_mm: float, margin: float, limit: int
) -> Frame:
    """The frame that shows all content.

    Args:
        content: (n, 2), points of the picture that the frame must show.
        shape: height and width of the picture.
        pixels_per_mm: resolution; less if a side would have more than ``limit`` pixels.
        margin: mm around the content.
    """
    page = geometry.to_page(content)
    low, high = page.min(axis=0) - margin, page.max(axis=0) + margin
    pixels_per_mm = min(pixels_per_mm, limit / float((high - low).max()))
    columns, rows = np.maximum(np.ceil((high - low) * pixels_per_mm), 16).astype(int)
    x, y = np.meshgrid(np.arange(0, columns + STEP, STEP), np.arange(0, rows + STEP, STEP))
    wanted = low + (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / pixels_per_mm
    starts = np.stack(np.meshgrid(np.linspace(0, shape[1], STARTS), np.linspace(0, shape[0], STARTS)), axis=-1).reshape(
        -1, 2
    )
    nearest = cKDTree(geometry.to_page(starts)).query(wanted)[1]
    coarse = geometry.to_picture(wanted, starts[nearest]).astype(np.float32).reshape(*x.shape, 2)
    across, down = np.meshgrid(np.arange(columns, dtype=np.float32) / STEP, np.arange(rows, dtype=np.float32) / STEP)
    return Frame(geometry, low, pixels_per_mm, cv2.remap(coarse, across, down, cv2.INTER_LINEAR))
