"""The learning rate: linear warm-up, then cosine decay (equation 27 as meant, see docs/paper.md)."""

import math


def rate_share(epoch: float, epochs: float, warmup: float, min_share: float) -> float:
    """The rate as a share of its peak.

    As printed, equation 27 warms up to half the rate, then jumps to a constant, since its cosine does not contain t.
    Meant is a line from min_share to 1 over the warm-up, then half a cosine down to min_share at the end.

    Args:
        epoch: time, in epochs, fractions allowed; from 0 to epochs.
        epochs: length of the training (T_warm + T_max).
        warmup: length of the warm-up (T_warm).
        min_share: eta_min / eta.
    """
    if epoch < warmup:
        return min_share + (1 - min_share) * epoch / warmup
    done = min((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0)
    return min_share + (1 - min_share) * (1 + math.cos(math.pi * done)) / 2
