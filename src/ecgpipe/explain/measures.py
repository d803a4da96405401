"""Measures of saliency maps: localisation, insertion and deletion, cascading randomisation.

Maps and masks are (s, s) arrays of the region that the model sees; row 0 is the top.
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
from ecgpipe.explain.saliency import batches
from ecgpipe.models.factory import build_model


def share_within(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's sum within a mask, 0 to 1; NaN for an empty map. The chance level is the mask's area."""
    total = saliency.sum(dtype=np.float64)
    return float(saliency[mask].sum(dtype=np.float64) / total) if total > 0 else np.nan


def pointing(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Pointing game (Zhang et al. 2018): 1 if the maximum lies within the mask, else 0; NaN for an empty map.

    If several pixels share the maximum, the share of these pixels within the mask.
    """
    return float(mask[saliency == saliency.max()].mean()) if saliency.max() > 0 else np.nan


def iou(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of a mask and the map's highest pixels, as many as the mask has; NaN for an empty map.

    The threshold is a quantile of the map, so that neither a large nor a bright map gains an advantage.
    """
    if not saliency.max() > 0:
        return np.nan
    size = int(mask.sum())
    highest = np.zeros(mask.size, bool)
    highest[_descending(saliency)[:size]] = True
    both = int((highest & mask.ravel()).sum())
    return both / (2 * size - both)


def expected_iou(area: float) -> float:
    """``iou`` of random pixels with a mask of the given area (0 to 1)."""
    return area / (2 - area)


def _descending(saliency: np.ndarray) -> np.ndarray:
    """Flat pixel indices from the highest value to the lowest; a fixed shuffle orders equal values."""
    shuffle = np.random.default_rng(0).permutation(saliency.size)
    return np.lexsort((shuffle, -saliency.ravel()))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two maps, pixel by pixel; NaN if one is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def to_common_resolution(saliency: np.ndarray, cells: int) -> np.ndarray:
    """Average a map over ``cells`` x ``cells`` areas and interpolate, to compare fine maps with coarse ones."""
    side = saliency.shape[0]
    coarse = cv2.resize(saliency.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)


def insertion_deletion_curves(
    model: nn.Module,
    image: torch.Tensor,
    label: int,
    saliency: np.ndarray,
    steps: int,
    task: str,
    blank: float,
    full: float,
    deletion: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Insertion and deletion curves (Petsiuk et al. 2018).

    The curves show the class probability while the most salient pixels appear on blank paper, and while they vanish
    from the image. Every step changes the same number of pixels; a fixed shuffle orders equal values. In contrast,
    pytorch-grad-cam's ``RemoveMostRelevantFirst`` uses a percentile as threshold, so it removes all zeros of a ReLU map
    at once.

    Args:
        model: in eval mode.
        image: (channels, height, width); 0 is paper.
        label: class index.
        saliency: (s, s) map.
        steps: number of equal steps.
        task: ``single`` (softmax) or ``multilabel`` (sigmoid).
        blank: probability of the class for blank paper.
        full: probability of the class for the whole image.
        deletion: whether to compute the second curve.

    Returns:
        Insertion and deletion, (steps + 1,) each, at shares 0, 1 / steps, ..., 1 of the pixels; without ``deletion``
        the second one is empty.
    """
    side = image.shape[-1]
    order = _descending(cv2.resize(saliency.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR))
    masks = torch.zeros(steps - 1, side * side, dtype=torch.bool)
    for step, mask in enumerate(masks, 1):
        mask[order[: round(step * order.size / steps)]] = True
    masks = masks.reshape(-1, 1, side, side)
    inserted = class_probability(model, image * masks, label, task)
    if not deletion:
        return np.array([blank, *inserted, full]), np.empty(0)
    deleted = class_probability(model, image * ~masks, label, task)
    return np.array([blank, *inserted, full]), np.array([full, *deleted, blank])


def class_probability(model: nn.Module, images: torch.Tensor, label: int, task: str) -> np.ndarray:
    """(n,) probabilities of a class for (n, channels, height, width) model inputs, in batches of bounded size."""
    values: list[float] = []
    with torch.inference_mode():
        for batch in batches(images, model):
            logits = model(batch).float()
            probabilities = torch.sigmoid(logits) if task == "multilabel" else torch.softmax(logits, dim=1)
            values += probabilities[:, label].tolist()
    return np.array(values)


def area_under_curve(curve: np.ndarray) -> float:
    """Area under a curve over shares 0 to 1 (trapezoidal rule)."""
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def random_map(side: int, cells: int, seed: int) -> np.ndarray:
    """(side, side) map interpolated from ``cells`` x ``cells`` uniform random values: a map without information."""
    noise = np.random.default_rng(seed).random((cells, cells), np.float32)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)


def cascade_randomisation(
    model: nn.Module, run: RunConfig, seed: int, steps: int
) -> Iterator[tuple[str, nn.Module, bool]]:
    """Randomise a model stage by stage from the classifier to the input (Adebayo et al. 2018).

    Args:
        model: trained, in eval mode; it is not changed.
        run: describes the model.
        seed: for the random weights.
        steps: maximum number of states, evenly spaced; the last one is fully randomised.

    Yields:
        The last stage randomised, the model in eval mode (the same object every time), and whether it is fully
        randomised.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    fresh_state, current = fresh.state_dict(), deepcopy(model)
    state = current.state_dict()
    names = list(dict.fromkeys(_stage(key, model) for key in state))[::-1]
    steps = min(steps, len(names))
    stops = {round((step + 1) * len(names) / steps) - 1 for step in range(steps)}
    for number, name in enumerate(names):
        state |= {key: fresh_state[key] for key in state if _stage(key, model) == name}
        if number in stops:
            current.load_state_dict(state)
            yield name, current.eval(), number == len(names) - 1


def _stage(key: str, model: nn.Module) -> str:
    """``layers.2`` for ``layers.2.blocks.0.norm1.weight`` if ``layers`` is a list of stages, else the first name."""
    first, _, rest = key.partition(".")
    if isinstance(getattr(model, first, None), nn.ModuleList | nn.Sequential) and rest:
        return f"{first}.{rest.partition('.')[0]}"
    return first
