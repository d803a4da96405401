"""Find the ink on a page, and the part of the page that is the recording."""

import cv2
import numpy as np

TILE = 64  # pixels
LEAST_INK = 0.005  # least share of ink on a page that has any
WRITTEN_INK = 0.0075  # the same for a page with handwriting, which may be darker than the traces
LEAST_DARKNESS = 0.2  # lowest threshold, from ink (0) to paper (1)
PALEST_INK = 0.6  # of the paper's brightness, at most
BLACK = 0.1  # of the paper's brightness, at most, for sharp ink
MOST_INK = 0.045  # largest share of a page covered by traces, text and marks
GRIDDED = 0.065  # dark share of a page above which the grid must be dark, too
COLOURED = 30  # largest minus smallest channel of what counts as coloured


def brightest_channel(image: np.ndarray) -> np.ndarray:
    """Return the largest of R, G and B, uint8 (H, W), in which coloured lines are bright and black ink is dark.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.
    """
    if image.ndim == 2:
        return image
    red, green, blue = cv2.split(image)
    return cv2.max(cv2.max(red, green), blue)


def find_ink(brightness: np.ndarray, darkness: float, least: float = LEAST_INK) -> np.ndarray:
    """Return 255 where the page is darker than ``ink_limits``, else 0; uint8 (H, W)."""
    limits = ink_limits(sample_grid(brightness), darkness, least)
    if limits.size == 1:
        return cv2.threshold(brightness, int(limits[0, 0]) - 1, 255, cv2.THRESH_BINARY_INV)[1]
    return cv2.compare(brightness, cv2.resize(limits, brightness.shape[::-1]), cv2.CMP_LT)


def sample_grid(image: np.ndarray) -> np.ndarray:
    """Return every 16th pixel of every 16th row (all pixels of a tiny image)."""
    step = TILE // 4
    return image[step // 2 :: step, step // 2 :: step] if min(image.shape[:2]) >= 5 * TILE else image


def ink_limits(samples: np.ndarray, darkness: float, least: float = LEAST_INK) -> np.ndarray:
    """Return the brightness below which a pixel is ink: uint8 (1, 1), or one value per tile in uneven light.

    The threshold is at ``darkness`` between the ink (the darkest samples) and the paper. A tile's paper brightness is
    the upper quartile of its 16 samples, which ignores lines; a median over neighbours corrects tiles full of ink. If
    more of the page than traces and text can cover would be ink, and only a part of it is black, a grey page's grid is
    among it: the threshold is halved.

    Args:
        samples: brightness from ``sample_grid``.
        darkness: position of the threshold between ink (0) and paper (1).
        least: share of the samples that are ink.
    """
    rows, columns = samples.shape[0] // 4, samples.shape[1] // 4
    if min(rows, columns) < 5:
        return np.full((1, 1), np.ceil(darkness * np.percentile(samples, 75)), np.uint8)
    tiles = samples[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4).transpose(0, 2, 1, 3)
    tiles = np.partition(tiles.reshape(rows, columns, 16), 12, axis=2)
    paper = cv2.medianBlur(np.ascontiguousarray(tiles[:, :, 12]), 5)
    shades = tiles / np.maximum(paper, 1).astype(np.float32)[:, :, None]
    darkest = int(least * shades.size)
    ink = min(float(np.partition(shades, darkest, axis=None)[darkest]), PALEST_INK)
    limit = ink + darkness * (1 - ink)
    dark, darker = (shades < limit).mean(), (shades < limit / 2).mean()
    if ink < BLACK and dark > MOST_INK and LEAST_INK < darker < 0.4 * dark:
        limit /= 2
    if (shades < limit).mean() > (
        MOST_INK if least > LEAST_INK else GRIDDED
    ):  # a dark, coloured grid: lower the threshold until the share of ink is plausible
        most = int(MOST_INK * shades.size)
        allowed = float(np.partition(shades, most, axis=None)[most])
        limit = max(min(limit, allowed), ink + LEAST_DARKNESS * (1 - ink))
    low, high = np.percentile(paper, (2, 98))
    if low >= 0.95 * high:
        paper = np.full((1, 1), np.median(paper), np.uint8)
    return np.ceil(limit * paper).astype(np.uint8)


def drop_specks(ink: np.ndarray) -> None:
    """Remove, in place, ink pixels with fewer than three ink pixels in their 3 x 3 neighbourhood; lines remain.

    Args:
        ink: uint8 (H, W), 0 or 255.
    """
    # 255 is -1 in uint8 arithmetic, so a sum is minus the number of pixels
    three = np.empty_like(ink)
    np.add(ink[:-2], ink[1:-1], out=three[1:-1])
    three[1:-1] += ink[2:]
    np.add(ink[0], ink[1], out=three[0])
    np.add(ink[-2], ink[-1], out=three[-1])
    nine = np.empty_like(ink)
    np.add(three[:, :-2], three[:, 1:-1], out=nine[:, 1:-1])
    nine[:, 1:-1] += three[:, 2:]
    np.add(three[:, 0], three[:, 1], out=nine[:, 0])
    np.add(three[:, -2], three[:, -1], out=nine[:, -1])
    enough = cv2.threshold(nine, 256 - 3, 255, cv2.THRESH_BINARY_INV, dst=nine)[1]
    cv2.bitwise_and(ink, enough, dst=ink)


def drop_surroundings(ink: np.ndarray, valid: np.ndarray) -> None:
    """Remove, in place, ink outside the picture and dark areas at its edges.

    Args:
        ink: uint8 (H, W), 0 or 255.
        valid: uint8 (H, W), 0 outside the picture.
    """
    ink[cv2.erode(valid, np.ones((5, 5), np.uint8), borderValue=0) == 0] = 0
    height, width = ink.shape
    cell = max(4, round(width / 350))  # 0.8 mm
    blocks = cv2.resize(ink, (width // cell, height // cell), interpolation=cv2.INTER_AREA) > 200
    outside = cv2.resize(valid, blocks.shape[::-1], interpolation=cv2.INTER_AREA) < 255
    solid = cv2.copyMakeBorder((blocks | outside).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    labels = cv2.connectedComponents(solid, connectivity=4)[1]
    around = cv2.dilate((labels == labels[0, 0]).view(np.uint8), np.ones((5, 5), np.uint8))[1:-1, 1:-1]
    ink[cv2.resize(around, (width, height), interpolation=cv2.INTER_NEAREST) > 0] = 0


def sample_columns(image: np.ndarray) -> np.ndarray:
    """Return every 16th column, enough to find lines across the page."""
    return np.ascontiguousarray(image[:, 8::16])


def coloured(image: np.ndarray) -> np.ndarray:
    """Return 1 where a colour, uint8 (h, w, 3) RGB, is not grey, else 0; uint8 (h, w)."""
    red, green, blue = cv2.split(image)
    largest, smallest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return cv2.threshold(cv2.subtract(largest, smallest), COLOURED, 1, cv2.THRESH_BINARY)[1]


def recording_rows(crossed: np.ndarray | None, height: int) -> slice:
    """Return the rows between the outermost coloured lines across the page (grid or frame), without header and footer.

    All rows if the page is grey, has no such lines, or has as much colour outside them, because they are only the
    sharpest lines of a grid.

    Args:
        crossed: ``coloured`` of ``sample_columns`` of the page, uint8 (height, n); None for a grey page.
    """
    if crossed is None or not crossed.size:
        return slice(0, height)
    share = crossed.mean(axis=1)
    crossing = np.flatnonzero(share > 0.8)
    if len(crossing) < 2 or crossing[-1] - crossing[0] < 0.4 * height:
        return slice(0, height)
    margin = height // 200
    beyond = np.concatenate([share[: max(0, crossing[0] - margin)], share[crossing[-1] + margin :]])
    if len(beyond) > 0.02 * height and beyond.mean() > 0.3 * share[crossing[0] : crossing[-1]].mean():
        return slice(0, height)
    return slice(max(0, int(crossing[0]) - margin), min(height, int(crossing[-1]) + margin + 1))
