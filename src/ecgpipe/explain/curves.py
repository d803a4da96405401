"""Insertion and deletion (Petsiuk et al. 2018): does the class come and go with the places that a map names?"""

import cv2
import numpy as np
import torch
from scipy.integrate import trapezoid
from torch import nn


def curves(
    model: nn.Module, image: torch.Tensor, label: int, saliency: np.ndarray, steps: int, task: str
) -> tuple[np.ndarray, np.ndarray]:
    """The class's probability while the highest places appear on blank paper, and while they vanish from the image.

    Args:
        model: in eval mode.
        image: (channels, height, width), 0 is paper.
        label: the output.
        saliency: (s, s); places of equal height in the order of a fixed shuffle.
        steps: equal shares of the image's area.
        task: ``single`` (softmax) or ``multilabel`` (sigmoid).

    Returns:
        Insertion and deletion, (steps + 1,) each, at shares 0, 1 / steps, ..., 1.
    """
    side = image.shape[-1]
    high = cv2.resize(saliency.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR).ravel()
    order = np.lexsort((np.random.default_rng(0).permutation(high.size), -high))
    place = np.empty(high.size, np.int64)
    place[order] = np.arange(high.size)
    rank = torch.from_numpy(place.reshape(side, side))
    kept, gone = [], []
    with torch.inference_mode():
        for step in range(steps + 1):
            inside = rank < round(step * high.size / steps)
            # two at a time: the largest inputs would not fit otherwise
            logits = model(torch.stack([image * inside, image * ~inside])).float()
            chances = torch.sigmoid(logits) if task == "multilabel" else torch.softmax(logits, dim=1)
            kept.append(float(chances[0, label]))
            gone.append(float(chances[1, label]))
    return np.array(kept), np.array(gone)


def area(curve: np.ndarray) -> float:
    """Area under a curve over shares 0 to 1, by the trapezoidal rule."""
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def random_map(side: int, cells: int, seed: int) -> np.ndarray:
    """(side, side): random heights of ``cells`` x ``cells`` areas, linear in between; a map that knows nothing."""
    noise = np.random.default_rng(seed).random((cells, cells), np.float32)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)
