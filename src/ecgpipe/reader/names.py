"""Read printed lead names: a small network classifies each place where the page reader found one.

The reader's maps show where a name is printed, but at an eighth of the resolution V2 and V3 look alike.
"""

import cv2
import numpy as np
import torch

from ecgpipe.reader.network import LEAD_NAMES, VIEW, NameNet

SHARPNESS = 4.0
"""Pixels per mm of a view."""
MOST_SHARP = 1.5
"""Pictures with more pixels per mm than this times SHARPNESS are reduced first, so that fine lines are not skipped."""


def views_of_names(picture: np.ndarray, centres: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Cut out the surroundings of names, upright and at one scale.

    Args:
        picture: uint8 (H, W, 3).
        centres: (n, 2), pixels of the picture.
        axes: (n, 2, 2), pixels of the picture per mm of the page; ``axes[i] @ [x, y]`` is the offset of a point x mm
            right of the name and y mm below it.

    Returns:
        uint8 (n, 48, 80, 3); outside the picture, its edge is repeated.
    """
    views = np.zeros((len(centres), *VIEW, 3), np.uint8)
    if not len(centres):
        return views
    sharp = float(np.median(np.linalg.norm(axes, axis=1)))
    shrunk = min(1.0, MOST_SHARP * SHARPNESS / sharp)
    if shrunk < 1:
        picture = cv2.resize(picture, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    middle = np.array(VIEW[::-1]) / 2 - 0.5
    for view, centre, axis in zip(views, centres * shrunk - 0.5, axes * shrunk / SHARPNESS, strict=True):
        matrix = np.column_stack([axis, centre - axis @ middle])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(picture, matrix, VIEW[::-1], view, flags, cv2.BORDER_REPLICATE)
    return views


@torch.inference_mode()
def classify(views: np.ndarray, net: NameNet) -> np.ndarray:
    """Probabilities float32 (n, 18) of the classes of views (``NameNet.forward``)."""
    if not len(views):
        return np.zeros((0, len(LEAD_NAMES) + 1), np.float32)
    return net(torch.from_numpy(views)).softmax(dim=1).numpy()
