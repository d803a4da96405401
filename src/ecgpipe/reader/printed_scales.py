"""Read the printed paper speed and gain of a page, such as "25 mm/s 10 mm/mV"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.read import Reading
from ecgpipe.reader.text_network import HEIGHT, LEAST_WIDTH, LETTERS, TextNet, decode, normalized

SPEED = re.compile(r"(?<![\d/*])(?<!\d\.)(\d{1,3}(?:\.\d)?) ?mm ?/ ?s")
GAIN = re.compile(r"(?<![\d/*])(?<!\d\.)(\d{1,2}(?:\.\d{1,2})?) ?([cm])m ?/ ?mv")
SPEEDS, GAINS = (12.5, 25.0, 50.0, 100.0), (2.5, 5.0, 10.0, 20.0)
"""The usual scales, mm/s and mm/mV; other numbers were misread, such as 5 mm/s for 25 mm/s."""
SURE = 0.6
"""Minimum probability of each character of a scale, without spaces."""
MAP = 4.0  # pixels per mm at which text is located
INK, FAINT = 0.4, 0.15  # probability: text is located at both, since pale or fine print is faint on the map
WORD_GAP = 5.0  # mm between the words of a line
RULE = 8.0, 25.0  # mm, from which vertical and horizontal lines are rules, not letters
HEIGHTS, SHORTEST = (1.2, 7.0), 5.0  # mm, heights and least length of a line of text
BESIDE = 12  # pixels beside the text in a view
LONGEST, OVERLAP = 1200, 25.0  # pixels of a view; heights of the text that two views of a long line share
MOST_LINES = 150  # that are read, of either probability


@dataclass(frozen=True)
class PrintedScales:
    """The scales that are printed on a page.

    Attributes:
        speeds: mm/s, each different value that was read.
        gains: mm/mV, likewise.
    """

    speeds: tuple[float, ...] = ()
    gains: tuple[float, ...] = ()


def read_scales(picture: np.ndarray, reading: Reading, net: TextNet) -> PrintedScales:
    """Read the scales that are printed on a page.

    Args:
        picture: uint8 (H, W, 3), RGB, as it was read.
        reading: of the picture.
        net: ``ReaderNet.text``.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    speeds, gains = set[float](), set[float]()
    for line in text_lines(reading):
        for piece in _pieces(*line):
            more_speeds, more_gains = read_view(view_of_text(grey, *piece), net)
            speeds |= more_speeds
            gains |= more_gains
    return PrintedScales(tuple(sorted(speeds)), tuple(sorted(gains)))


@torch.inference_mode()
def read_view(view: np.ndarray, net: TextNet) -> tuple[set[float], set[float]]:
    """The speeds, mm/s, and gains, mm/mV, in a view uint8 (32, W) of a line of text."""
    return scales_in(*decode(net(torch.from_numpy(normalized(view))[None])[0].numpy()))


def scales_in(text: str, shares: np.ndarray) -> tuple[set[float], set[float]]:
    """The usual speeds, mm/s, and gains, mm/mV, in a text; ``shares``: the probability (n,) of each character."""
    speeds = {float(match[1]) for match in SPEED.finditer(text) if _sure(match, shares)}
    matches = [match for match in GAIN.finditer(text) if _sure(match, shares)]
    gains = {float(match[1]) * (10 if match[2] == "c" else 1) for match in matches}
    return speeds & set(SPEEDS), gains & set(GAINS)


def _sure(match: re.Match[str], shares: np.ndarray) -> bool:
    return all(share >= SURE for share, letter in zip(shares[match.start() :], match[0], strict=False) if letter != " ")


def _pieces(
    middle: np.ndarray, along: np.ndarray, down: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A line of text in overlapping pieces that are short enough for a view."""
    high = max(float(np.linalg.norm(down)), 1.0)
    longest, shared = (LONGEST - 2 * BESIDE) / LETTERS * high, OVERLAP * high
    length = float(np.linalg.norm(along))
    count = max(1, int(np.ceil((length - shared) / (longest - shared))))
    part = (length + (count - 1) * shared) / count
    for number in range(count):
        start = number * (part - shared)
        yield middle + along * ((start + part / 2) / max(length, 1.0) - 0.5), along * (part / max(length, 1.0)), down


def text_lines(reading: Reading) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Where lines of text may be: the middle, and the vectors along and down each line, pixels of the picture."""
    ink = reading.maps[PIXEL_MAPS.index("ink")]
    per_mm = np.linalg.inv(reading.geometry.jacobian(reading.geometry.middle[None])[0])  # pixels of the picture
    axes = per_mm * (reading.scale / MAP)  # pixels of the map per pixel of the upright one
    height, width = ink.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ np.linalg.inv(axes).T
    first = corners.min(axis=0)
    size = np.ceil(corners.max(axis=0) - first).astype(int)
    matrix = np.column_stack([axes, axes @ first])
    upright = cv2.warpAffine(ink, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    lines = []
    for least in (INK, FAINT):
        boxes = sorted(_boxes_of_text(upright > least), key=lambda box: -box[2])[:MOST_LINES]
        for x, y, wide, high in boxes:
            middle = axes @ (first + np.array([x + wide / 2, y + high / 2])) / reading.scale
            long = wide + (high if least == FAINT else 0)  # half a height at each end, where strokes are often missing
            lines.append((middle, per_mm[:, 0] * long / MAP, per_mm[:, 1] * high / MAP))
    return lines


def _boxes_of_text(marked: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of what may be lines of text; ``marked``: bool (h, w), MAP pixels per mm."""
    marked = marked.astype(np.uint8)
    for length in ((round(RULE[0] * MAP), 1), (1, round(RULE[1] * MAP))):
        rule = cv2.dilate(
            cv2.morphologyEx(marked, cv2.MORPH_OPEN, np.ones(length, np.uint8)), np.ones((3, 3), np.uint8)
        )
        marked[rule > 0] = 0
    joined = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((1, round(WORD_GAP * MAP)), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    for x, y, wide, high, _ in boxes[1:].tolist():
        if HEIGHTS[0] <= high / MAP <= HEIGHTS[1] and wide / MAP >= SHORTEST:
            yield x, y, wide, high


def view_of_text(picture: np.ndarray, middle: np.ndarray, along: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Cut out a line of text.

    Args:
        picture: uint8 (H, W), grey.
        middle: of the text, pixels of the picture, whose first pixel reaches from 0 to 1.
        along, down: (2,), from the left to the right end of the text, and from its top to its bottom.

    Returns:
        uint8 (32, W); the text is 20 pixels high. Outside the picture, its edge is repeated.
    """
    high = max(float(np.linalg.norm(down)), 1.0)
    long = LETTERS * float(np.linalg.norm(along)) / high
    width = int(np.clip(long + 2 * BESIDE, LEAST_WIDTH, LONGEST)) // 2 * 2
    axes = np.column_stack([along / max(long, 1.0), down / LETTERS])
    if high > 1.5 * LETTERS:  # reduced first, so that fine lines are not skipped
        reach = int(np.abs(along).sum() + np.abs(down).sum()) + 2 * round(high)
        corner = np.maximum(np.floor(middle).astype(int) - reach, 0)
        picture = picture[corner[1] : corner[1] + 2 * reach, corner[0] : corner[0] + 2 * reach]
        shrunk = LETTERS / high
        picture = cv2.resize(picture, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
        middle, axes = (middle - corner) * shrunk, axes * shrunk
    matrix = np.column_stack([axes, middle - 0.5 - axes @ (np.array([width, HEIGHT]) / 2 - 0.5)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, (width, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
