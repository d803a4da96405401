"""Whether the limb leads of a page agree: two of them determine the other four (Einthoven, Goldberger).

Curves of another picture, and leads with wrong names, do not obey that law.
"""

import numpy as np

LIMIT = 0.5
"""Above it, limb leads contradict each other: halfway between an exact recording (0) and unrelated curves (1 on
average)."""
LEAST = 50
"""Samples for which the same leads are shown; shorter times are ignored."""
FROM_TWO = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
"""(6, 2): I, II, III, aVR, aVL and aVF from I and II."""


def limb_error(signal: np.ndarray) -> float | None:
    """How far the limb leads are from the nearest ones that obey the law.

    Args:
        signal: (12, samples) mV; NaN where a lead is not shown. Constant offsets of the leads do not matter.

    Returns:
        The power of the difference as a share of the leads' power, divided by the mean share of unrelated curves of
        the same number of leads: 0 for an exact recording, about 1 for unrelated curves. None if nowhere three limb
        leads are shown at the same time, or if they are all flat.
    """
    limb = signal[: len(FROM_TWO)].astype(np.float64)
    shown = np.isfinite(limb)
    different = total = 0.0
    for leads in np.unique(shown, axis=1).T:
        samples = (shown == leads[:, None]).all(axis=0)
        free = int(leads.sum()) - 2
        if free < 1 or samples.sum() < LEAST:
            continue
        seen = limb[np.ix_(leads, samples)]
        seen -= seen.mean(axis=1, keepdims=True)
        two, *_ = np.linalg.lstsq(FROM_TWO[leads], seen, rcond=None)
        different += float(((seen - FROM_TWO[leads] @ two) ** 2).sum()) * leads.sum() / free
        total += float((seen**2).sum())
    return different / total if total > 0 else None
