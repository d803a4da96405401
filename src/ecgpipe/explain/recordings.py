"""The leads and seconds that a signal model used, drawn over the photo or scan of the page."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from ecgpipe.artifacts.saliency import HEAT_COLOUR
from ecgpipe.explain.overlay import OPACITY
from ecgpipe.models.recordings import RATE, RecordingNet, page_windows

STEPS = 16
"""Points on the path from flat leads to the recording, at the midpoints of equal parts."""
SMOOTHING = 0.04
"""Seconds, standard deviation."""
MARKER = 0.022
"""Width of the coloured line behind a trace, as a share of the page's longer side."""
TOP = 0.995
"""Quantile of the relevance that gets full colour, so that a single sample does not make all others pale."""


def lead_relevance(net: RecordingNet, signal: np.ndarray, label: int) -> np.ndarray:
    """Integrated gradients of a class's logit (Sundararajan et al. 2017), from flat leads to the recording.

    Args:
        net: the network, in eval mode.
        signal: (12, samples) mV at the network's rate; NaN where the page shows no trace.
        label: index of the class.

    Returns:
        float64 (12, samples): the contribution of each sample to the logit; 0 where the page shows no trace. The sum
        is the logit minus the logit of flat leads, up to the error of the integration.
    """
    windows, starts = page_windows(signal)
    relevance = np.zeros(signal.shape)
    if not len(windows):
        return relevance
    inputs = net.inputs(torch.from_numpy(windows))
    leads = windows.shape[1]
    gradients = torch.zeros_like(inputs[:, :leads])
    for step in range(STEPS):
        point = inputs.clone()
        point[:, :leads] *= (step + 0.5) / STEPS
        point.requires_grad_()
        gradients += torch.autograd.grad(net(point)[:, label].sum(), point)[0][:, :leads] / STEPS
    shares = (gradients * inputs[:, :leads]).numpy() / len(windows)
    for share, start in zip(shares, starts, strict=True):
        for lead in np.flatnonzero(start >= 0):
            part = relevance[lead, start[lead] : start[lead] + windows.shape[2]]
            part += share[lead, : len(part)]
    return relevance


def heat_of(relevance: np.ndarray) -> np.ndarray:
    """The smoothed support for the class, as colour: (leads, samples) in [0, 1]; all 0 without support."""
    support = gaussian_filter1d(relevance, SMOOTHING * RATE, axis=1)
    seen = support[support > 0]
    return np.zeros_like(support) if not len(seen) else (support / np.quantile(seen, TOP)).clip(0, 1)


def mark_traces(page: np.ndarray, lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Colour a page along its traces.

    Args:
        page: uint8 (H, W, 3) RGB.
        lines: for each lead the points (n, 2) of its trace, x and y in pixels, and the heat (n,) there, 0 to 1.

    Returns:
        uint8 (H, W, 3); dark traces stay dark.
    """
    width = max(3, round(MARKER * max(page.shape[:2])))
    heat = np.zeros(page.shape[:2], np.uint8)
    for points, values in lines:
        ends = np.rint(points).astype(int)
        levels = np.rint(255 * np.minimum(values[:-1], values[1:])).astype(int)
        for at in np.argsort(levels, kind="stable"):  # the strongest on top
            if levels[at]:
                cv2.line(heat, ends[at].tolist(), ends[at + 1].tolist(), int(levels[at]), width)
    alpha = OPACITY * cv2.GaussianBlur(heat, (0, 0), width / 4)[..., None] / 255
    return (page * (1 - alpha + alpha * np.array(HEAT_COLOUR, np.float32) / 255)).round().astype(np.uint8)
