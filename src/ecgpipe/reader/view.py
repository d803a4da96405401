"""The part of a picture that the reader looks at: turned until a page is about level, and cropped to it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.read import Reading, input_scale
from ecgpipe.reader.upright import Frame

TRACE, PULSE, GRID = (PIXEL_MAPS.index(name) for name in ("trace", "pulse", "grid"))
TURNED = 12.0
"""Degrees by which a page is turned so far that it is read again from a turned picture."""
CLEAR_DIRECTION = 1.8
"""Least height of the peak of edge directions, relative to their mean; handwriting and wood have lower ones."""
NEARER, SMALL = 1.15, 4.5
"""A page with fewer pixels per mm of the network's input than SMALL is cropped, if it gains this factor."""
TOGETHER, LEAST_PART = 0.03, 0.05
"""Marks closer than this share of the longer side are one part; parts with a smaller share of all marks are stray."""
MARGIN = 0.08
"""Margin around the marks, as a share of their longer side: the page's print may be outside its grid."""
NEAR, SMOOTH, BINS = 25, 2.0, 180
"""Pixels around marks in which edges count; and bins of 0.5 degrees, which are smoothed by this many of them."""
BRIGHTEST = 0.98
"""Quantile of the strength of edges at which it is limited, so that a few strong ones do not decide."""


@dataclass(frozen=True)
class View:
    """A part of a picture, turned. Positions are in pixels; the first pixel reaches from 0 to 1.

    Attributes:
        matrix: (2, 3), from positions in the picture to those in the view; it neither scales nor mirrors.
        shape: height and width of the view.
        picture: height and width of the picture.
    """

    matrix: np.ndarray
    shape: tuple[int, int]
    picture: tuple[int, int]

    @classmethod
    def whole(cls, picture: np.ndarray) -> "View":
        """The picture (H, W, ...) as it is."""
        shape = picture.shape[0], picture.shape[1]
        return cls(np.eye(2, 3), shape, shape)

    @property
    def degrees(self) -> float:
        """Angle by which the picture is turned anticlockwise, -180 to 180."""
        return float(np.degrees(np.arctan2(self.matrix[0, 1], self.matrix[0, 0])))

    def turned(self, quarters: int) -> "View":
        """The view, turned anticlockwise by quarter turns as by ``np.rot90``."""
        view = self
        for _ in range(quarters % 4):
            height, width = view.shape
            turn = np.array([[0.0, 1, 0], [-1, 0, width]])
            view = View(_after(turn, view.matrix), (width, height), self.picture)
        return view

    def around(self, points: np.ndarray, degrees: float, margin: float) -> "View":
        """The part of the view that shows some points, after it was turned anticlockwise.

        Args:
            points: (n, 2) positions in this view.
            degrees: of the turn.
            margin: around the points, as a share of the longer side of the rectangle that contains them; not beyond
                this view.
        """
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) if degrees else np.eye(2)
        at = points @ turn.T
        low, high = at.min(axis=0), at.max(axis=0)
        corners = np.array([(x, y) for x in (0, self.shape[1]) for y in (0, self.shape[0])]) @ turn.T
        wide = margin * (high - low).max()
        low = np.floor(np.maximum(low - wide, corners.min(axis=0)))
        high = np.ceil(np.minimum(high + wide, corners.max(axis=0)))
        width, height = np.maximum(high - low, 1).astype(int)
        return View(_after(np.column_stack([turn, -low]), self.matrix), (int(height), int(width)), self.picture)

    def of(self, picture: np.ndarray) -> np.ndarray:
        """The view of a picture (H, W, 3); outside the picture, it has its median colour."""
        if self.shape == self.picture and np.array_equal(self.matrix, np.eye(2, 3)):
            return picture
        colour = np.median(picture[::8, ::8].reshape(-1, picture.shape[2]), axis=0).tolist()
        return cv2.warpAffine(
            picture, self._between_centres(), self.shape[::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=colour
        )

    def back(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the view, uint8, in the picture's pixels; 0 outside the view."""
        inverse = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
        return cv2.warpAffine(mask, self._between_centres(), self.picture[::-1], flags=inverse)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Convert positions (..., 2) in the view to positions in the picture."""
        matrix = self.matrix.astype(points.dtype)
        return (points - matrix[:, 2]) @ matrix[:, :2]  # a rotation's inverse is its transpose

    def warp(self, picture: np.ndarray, frame: Frame, border: int | None = None) -> np.ndarray:
        """Show the picture upright, as ``frame.warp`` shows the view."""
        return replace(frame, positions=self.to_picture(frame.positions)).warp(picture, border=border)

    def _between_centres(self) -> np.ndarray:
        """The matrix for positions at which the centre of the first pixel is 0."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        return matrix


def _after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The affine map (2, 3) of two after each other."""
    linear = second[:, :2]
    return np.column_stack([linear @ first[:, :2], linear @ first[:, 2] + second[:, 2]])


def nearer_view(picture: np.ndarray, reading: Reading, view: View) -> View | None:
    """A view that shows the page larger or level; None if that would hardly help.

    Args:
        picture: uint8 (H, W, 3), RGB.
        reading: of the view of this picture.
    """
    names = np.array([(name.x, name.y) for name in reading.names]).reshape(-1, 2)
    with_grid, traces = (_page_marks(reading.maps[kinds]) for kinds in ([TRACE, PULSE, GRID], [TRACE, PULSE]))
    if not traces.any():
        return None
    angle = _direction(view.of(picture), with_grid)
    if not angle and reading.geometry.pixels_per_mm * reading.scale >= SMALL:
        return None
    for marks in (with_grid, traces):  # the grid is larger than the traces, but a table's pattern may look like one
        points = np.concatenate([(np.argwhere(marks)[:, ::-1] + 0.5) / reading.scale, names])
        nearer = view.around(points, angle, MARGIN)
        if angle or input_scale(nearer.shape) >= NEARER * reading.scale:
            return nearer
    return None


def _page_marks(maps: np.ndarray) -> np.ndarray:
    """bool (h, w): where a map (n, h, w) shows the page, without the small parts that a table's pattern may show."""
    marks = maps.max(axis=0) > 0.5
    reach = round(TOGETHER * max(marks.shape)) | 1
    _, part = cv2.connectedComponents(cv2.dilate(marks.astype(np.uint8), np.ones((reach, reach))))
    sizes = np.bincount(part[marks], minlength=part.max() + 1)
    return marks & (sizes >= LEAST_PART * sizes.sum())[part]


def _direction(picture: np.ndarray, marks: np.ndarray) -> float:
    """By how many degrees, -45 to 45, the lines near the marks are turned clockwise; 0 if unclear or below TURNED."""
    near = cv2.dilate(marks.astype(np.uint8), np.ones((NEAR, NEAR))) > 0
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, near.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0)[near], cv2.Sobel(grey, cv2.CV_32F, 0, 1)[near]
    strength = np.hypot(across, down)
    strength = np.minimum(strength, np.quantile(strength, BRIGHTEST)) if len(strength) else strength
    width = 90 / BINS
    number = (np.degrees(np.arctan2(down, across)) % 90 / width).astype(int) % BINS
    counts = gaussian_filter1d(np.bincount(number, strength, BINS), SMOOTH, mode="wrap")
    best = int(counts.argmax())
    angle = (best + 0.5) * width
    angle = angle if angle <= 45 else angle - 90
    clear = counts[best] >= CLEAR_DIRECTION * counts.mean()
    return angle if clear and abs(angle) >= TURNED else 0.0
