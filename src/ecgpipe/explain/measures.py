"""What a saliency map is worth, in numbers. Maps and masks are (s, s); row 0 is the top of what the model saw.

Insertion and deletion (Petsiuk et al. 2018): does the class come and go with the places that a map names?

Networks whose training is undone from the output down (Adebayo et al. 2018, the cascading test).
"""

from collections.abc import Iterator
from copy import deepcopy

import cv2
import numpy as np
import torch
from scipy.integrate import trapezoid
from scipy.stats import spearmanr
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.models.factory import build_model

TOLERANCE = 0.015
"""Half-width, as a share of the image's side, of the band around samples that counts as on them (9.6 of 640 pixels)."""


def share_within(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's sum that lies within a mask, 0 to 1; NaN of an empty map. Chance is the mask's area."""
    total = saliency.sum(dtype=np.float64)
    return float(saliency[mask].sum(dtype=np.float64) / total) if total > 0 else np.nan


def pointing(saliency: np.ndarray, mask: np.ndarray) -> float:
    """1 if the map's highest place is within the mask, else 0; of several highest places the share that is.

    The pointing game of Zhang et al. (2018); its tolerance is in the mask. NaN of an empty map.
    """
    return float(mask[saliency == saliency.max()].mean()) if saliency.max() > 0 else np.nan


def iou(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Overlap of the mask with as many of the map's highest places as the mask has, over their union; NaN if empty.

    So the threshold is the map's own quantile at one minus the mask's area: no map gains by being larger or brighter.
    """
    if not saliency.max() > 0:
        return np.nan
    size = int(mask.sum())
    highest = np.zeros(mask.size, bool)
    # among equals a fixed shuffle decides, not the place on the page
    shuffle = np.random.default_rng(0).permutation(mask.size)
    highest[np.lexsort((shuffle, -saliency.ravel()))[:size]] = True
    both = int((highest & mask.ravel()).sum())
    return both / (2 * size - both)


def expected_iou(area: float) -> float:
    """What ``iou`` comes to for places drawn at random, from the mask's area (0 to 1)."""
    return area / (2 - area)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's between two maps, place by place; NaN where one is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def to_common_resolution(saliency: np.ndarray, cells: int) -> np.ndarray:
    """The map as it were from ``cells`` x ``cells`` features: means over those areas, then linear in between.

    So maps of models with fine and coarse features are compared at the coarser one's sharpness.
    """
    side = saliency.shape[0]
    coarse = cv2.resize(saliency.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)


def band(points: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within TOLERANCE of lines through points.

    Args:
        points: (n, 2) x and y each, as shares of what the model saw.
        side: of the mask.
    """
    mask = np.zeros((side, side), np.uint8)
    lines = [np.rint(line * side * 16).astype(np.int32) for line in points]
    cv2.polylines(mask, lines, False, 1, max(1, round(2 * TOLERANCE * side)), cv2.LINE_8, 4)
    return mask.astype(bool)


def boxes_mask(boxes: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within any of the quadrilaterals, (4, 2) x and y each, as shares of what the model saw."""
    mask = np.zeros((side, side), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box * side).astype(np.int32)], 1)
    return mask.astype(bool)


def insertion_deletion_curves(
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


def area_under_curve(curve: np.ndarray) -> float:
    """Area under a curve over shares 0 to 1, by the trapezoidal rule."""
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def random_map(side: int, cells: int, seed: int) -> np.ndarray:
    """(side, side): random heights of ``cells`` x ``cells`` areas, linear in between; a map that knows nothing."""
    noise = np.random.default_rng(seed).random((cells, cells), np.float32)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)


def cascade_randomisation(
    model: nn.Module, run: RunConfig, seed: int, steps: int
) -> Iterator[tuple[str, nn.Module, bool]]:
    """The model with more and more of its parts as they were before training.

    Parts are the network's stages in the order in which it defines them, undone from the last, the classifier, to the
    first. The last step has nothing left of the training, nor of weights that it started from.

    Args:
        model: trained, in eval mode; left as it is.
        run: what describes it.
        seed: of the untrained weights.
        steps: how many states to yield at most, evenly spread, the whole network last.

    Yields:
        The name of the last part undone, the model in eval mode (one object, which the next step changes), and whether
        nothing is left to undo.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    fresh_state, current = fresh.state_dict(), deepcopy(model)
    state = current.state_dict()
    names = list(dict.fromkeys(_part(key, model) for key in state))[::-1]
    steps = min(steps, len(names))
    stops = {round((step + 1) * len(names) / steps) - 1 for step in range(steps)}
    for number, name in enumerate(names):
        state |= {key: fresh_state[key] for key in state if _part(key, model) == name}
        if number in stops:
            current.load_state_dict(state)
            yield name, current.eval(), number == len(names) - 1


def _part(key: str, model: nn.Module) -> str:
    """``layers.2`` of ``layers.2.blocks.0.norm1.weight`` where ``layers`` is a list of stages, else the first name."""
    first, _, rest = key.partition(".")
    if isinstance(getattr(model, first, None), nn.ModuleList | nn.Sequential) and rest:
        return f"{first}.{rest.partition('.')[0]}"
    return first
