"""Read a picture of an ECG page: the trace pixels, the lead names and other marks, and the page's geometry."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ecgpipe.config.pages import READER_WEIGHTS
from ecgpipe.errors import DataError
from ecgpipe.reader.fused import FusedReader
from ecgpipe.reader.geometry import PageGeometry, fit_geometry
from ecgpipe.reader.grid import refine_geometry, usual_scale
from ecgpipe.reader.level import foreshortened, level_rows, trace_points
from ecgpipe.reader.names import classify, views_of_names
from ecgpipe.reader.network import CELL, LEAD_NAMES, MULTIPLE, NO_NAME, PIXEL_MAPS, ReaderNet

LONGEST, SHORTEST = 1408, 960
"""Pixels of the longer side that the network sees: larger pictures are reduced, smaller ones enlarged."""
DENSEST = 9.0
"""Pixels per mm of the network's input above which a picture probably shows a small part of a page."""
DENSE, FEW_NAMES = 7.0, 2.0
"""Pixels per mm at which such a picture is read again, if the legibility of its lead names is less than FEW_NAMES."""
MASKS = PIXEL_MAPS.index("offset")
"""The pixel maps before this one are masks."""
NAME_PLACE, MOST_PLACES = 0.1, 64
"""Minimum height of the peaks of the name maps that are read, and their maximum number."""
LEAST_NAME = 0.5
"""Minimum probability of a name that was read."""
SURELY_UPRIGHT = 5.0
"""If the sum of the probabilities of different names is at least this, no other orientation is tried."""
LEGIBLE, CLEARLY = 1.2, 1.5
"""Minimum of this sum, and of its ratio to the upright page's, for a page that is upside down or mirrored."""
ROUGH_DEGREE = 1
"""Degree of the geometry without a grid: the network's estimates are too rough for bends."""
LEAST_TRACE = 0.0005
"""Minimum share of trace in a picture of an ECG."""


@dataclass(frozen=True)
class FoundName:
    """A printed lead name: its centre in the picture's pixels, and its probability, 0 to 1."""

    name: str
    x: float
    y: float
    confidence: float


@dataclass(frozen=True)
class Reading:
    """The result of the network for one picture of (H, W) pixels.

    Attributes:
        trace: uint8 (H, W), probability that a pixel is trace, 0 to 255.
        maps: float32 (5, h, w), the pixel maps at the resolution of the network's input (network.PIXEL_MAPS): four
            probabilities, and the height above the baseline in cm of paper.
        scale: pixels of the network's input per pixel of the picture.
        names: lead names, the most confident first.
        upside_down: whether clearly more names can be read with the page turned by 180 degrees.
        geometry: position of each pixel of the picture on the paper.
        grid_found: whether the geometry was fitted to a printed grid; else it is rough.
    """

    trace: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)
    scale: float
    names: tuple[FoundName, ...]
    upside_down: bool
    geometry: PageGeometry
    grid_found: bool

    @property
    def mask(self) -> np.ndarray:
        """uint8 (H, W): 255 on a trace, else 0."""
        return np.where(self.trace >= 128, np.uint8(255), np.uint8(0))

    @property
    def has_trace(self) -> bool:
        """Whether there is any ECG in the picture."""
        return float((self.maps[0] > 0.5).mean()) >= LEAST_TRACE


def load_reader(path: Path | str = READER_WEIGHTS) -> FusedReader:
    """Load a reader's weights (training.save_reader), for prediction on a CPU.

    Raises:
        DataError: the file is missing, or contains other weights.
    """
    net = ReaderNet()
    load_weights(net, path)
    return FusedReader(net)


def load_weights(net: ReaderNet, path: Path | str) -> None:
    """Load a reader's weights into a network.

    Without weights for the line network, lines are not corrected; without those for text, printed scales are not read.

    Raises:
        DataError: the file is missing, or contains other weights.
    """
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
        missing, unexpected = net.load_state_dict(tensors, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{path}: not the weights of a page reader ({error})") from error
    optional = all(name.startswith(("liner.", "text.")) for name in missing if not name.endswith("num_batches_tracked"))
    if unexpected or not optional:
        raise DataError(f"{path}: not the weights of a page reader (other tensors)")


def read_page(picture: np.ndarray, net: ReaderNet) -> Reading:
    """Read one picture.

    If it seems to show a small part of a page, or is small itself, and few of its lead names are legible, it is read
    again in other sizes.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.
    """
    scale = input_scale(picture.shape)
    reading, density = _read_at(picture, scale, net)
    if legible(reading.names) >= FEW_NAMES or (density <= DENSEST and scale <= 1):
        return reading
    readings = [reading]
    if scale > 1:  # the density of a greatly enlarged crop is not estimated well
        scale = 1.0
        reading, density = _read_at(picture, scale, net)
        readings.append(reading)
    readings.append(_read_at(picture, scale * DENSE / density, net)[0])
    return max(readings, key=lambda each: legible(each.names))


def input_scale(shape: tuple[int, ...]) -> float:
    """Pixels of the network's input per pixel of a picture (H, W, ...)."""
    longest = max(shape[:2])
    return LONGEST / longest if longest > LONGEST else max(1.0, SHORTEST / longest)


def _read_at(picture: np.ndarray, scale: float, net: ReaderNet) -> tuple[Reading, float]:
    """The reading at ``scale`` pixels of the network's input per pixel of the picture; the input's pixels per mm."""
    pixels, coarse = _predict(_resized(picture, scale), net)
    names = len(LEAD_NAMES)
    rough = fit_geometry(coarse[names:], _paper(pixels, coarse.shape[1:]), scale, ROUGH_DEGREE)
    density = rough.pixels_per_mm * scale
    points, above = trace_points(pixels, scale)
    if len(points):
        rough = level_rows(points, above, rough)
    width = _trace_width(pixels[0], rough)
    refined = refine_geometry(pixels[PIXEL_MAPS.index("grid")], rough, scale, width, picture)
    geometry = refined or rough
    if refined is None and len(points):
        geometry = usual_scale(foreshortened(points, above, rough), width / scale) if width else rough
    positions = _name_positions(coarse[:names].max(axis=0)) * (CELL / scale)
    found, upside_down, mirrored = _read_names(picture, positions, geometry, net)
    if mirrored:
        geometry = replace(geometry, x=-geometry.x)
    trace = at_size(pixels[0], picture.shape[:2])
    return Reading(trace, pixels, scale, found, upside_down, geometry, refined is not None), density


def at_size(probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map of probabilities at the size (H, W) of the picture: uint8, 0 to 255."""
    if probability.shape != shape:
        probability = cv2.resize(probability, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.convertScaleAbs(probability, alpha=255)


def _trace_width(trace: np.ndarray, geometry: PageGeometry) -> float | None:
    """How far the traces extend along the page's rows, in pixels of the map; None without a trace."""
    rows, columns = np.nonzero(trace > 0.5)
    if not len(rows):
        return None
    along = geometry.jacobian(geometry.middle[None])[0, 0]
    positions = (columns * along[0] + rows * along[1]) / np.linalg.norm(along)
    low, high = np.quantile(positions, [0.01, 0.99])
    return max(float(high - low), 1.0)


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return picture
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    across, down = (max(scale, 1 / side) for side in picture.shape[1::-1])  # at least one pixel
    return cv2.resize(picture, None, fx=across, fy=down, interpolation=how)


def _predict(resized: np.ndarray, net: ReaderNet) -> tuple[np.ndarray, np.ndarray]:
    """The network's maps of a picture, without the padding; logits as probabilities."""
    height, width = resized.shape[:2]
    padded = cv2.copyMakeBorder(resized, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_REPLICATE)
    batch = torch.from_numpy(padded).permute(2, 0, 1)[None].float().div_(127.5).sub_(1)
    with torch.inference_mode():
        pixels, coarse = net(batch.to(memory_format=torch.channels_last))
        pixels[:, :MASKS].sigmoid_()
        coarse[:, : len(LEAD_NAMES)].sigmoid_()
    rows, columns = -(-height // CELL), -(-width // CELL)
    return pixels[0, :, :height, :width].numpy(), coarse[0, :, :rows, :columns].numpy()


def _paper(pixels: np.ndarray, cells: tuple[int, ...]) -> np.ndarray:
    """Weight of each cell's geometry: high on ink and grid, where the paper is visible."""
    return cv2.resize(marks_of(pixels), cells[::-1], interpolation=cv2.INTER_AREA) + 1e-3


def marks_of(maps: np.ndarray) -> np.ndarray:
    """float32 (h, w): the largest of the probabilities of trace, other ink, pulse and grid."""
    return np.maximum(np.maximum(maps[0], maps[1]), np.maximum(maps[2], maps[3]))


def _name_positions(confidence: np.ndarray) -> np.ndarray:
    """Positions (n, 2) in cells where a name may be printed: peaks of the map (h, w), the clearest first."""
    peaks = (confidence >= cv2.dilate(confidence, np.ones((5, 5)))) & (confidence >= NAME_PLACE)
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-confidence[rows, columns], kind="stable")[:MOST_PLACES]
    return np.stack([columns, rows], axis=1)[order] + 0.5


def _read_names(
    picture: np.ndarray, positions: np.ndarray, geometry: PageGeometry, net: ReaderNet
) -> tuple[tuple[FoundName, ...], bool, bool]:
    """The names at some positions, and whether they are upside down and whether they are mirrored in the geometry."""
    axes = np.linalg.inv(geometry.jacobian(positions))
    found = {(1, 1): _names(picture, positions, axes, net)}
    if legible(found[1, 1]) < SURELY_UPRIGHT:
        found |= {(x, y): _names(picture, positions, axes * [x, y], net) for x, y in ((-1, -1), (-1, 1), (1, -1))}
    (x, y), names = max(found.items(), key=lambda item: legible(item[1]))
    if legible(names) < max(LEGIBLE, CLEARLY * legible(found[1, 1])):
        (x, y), names = (1, 1), found[1, 1]
    return names, y < 0, x != y


def _names(picture: np.ndarray, positions: np.ndarray, axes: np.ndarray, net: ReaderNet) -> tuple[FoundName, ...]:
    """The names that are read at some positions; ``axes`` as in ``views_of_names``."""
    shares = classify(views_of_names(picture, positions, axes), net.namer)
    found = [
        FoundName(LEAD_NAMES[best], float(x), float(y), float(share[best]))
        for (x, y), share, best in zip(positions, shares, shares.argmax(axis=1), strict=True)
        if best != NO_NAME and share[best] >= LEAST_NAME
    ]
    return tuple(sorted(found, key=lambda name: -name.confidence))


def legible(names: tuple[FoundName, ...]) -> float:
    """Number of different names that were read: the sum of their probabilities, each name once."""
    best: dict[str, float] = {}
    for name in names:
        best[name.name] = max(best.get(name.name, 0.0), name.confidence)
    return sum(best.values())
