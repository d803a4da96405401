"""The smallest lead that a set of records can show: the power of McNemar's exact test."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom


def mcnemar_power(records: int, discordant: float, lead: float, alpha: float) -> float:
    """Probability that the exact two-sided test rejects.

    Args:
        records: n, independent.
        discordant: share of records that exactly one of two models gets right.
        lead: difference of the accuracies, at most `discordant`.
        alpha: level of the test.
    """
    total = np.arange(int(binom.ppf(1e-9, records, discordant)), int(binom.ppf(1 - 1e-9, records, discordant)) + 1)
    # Largest k with P(X <= k) <= alpha / 2 under Bin(total, 1/2); -1 where even 0 is too likely.
    critical = binom.ppf(alpha / 2, total, 0.5)
    critical -= binom.cdf(critical, total, 0.5) > alpha / 2
    better = (1 + lead / discordant) / 2
    rejects = binom.cdf(critical, total, better) + binom.sf(total - critical - 1, total, better)
    return float((binom.pmf(total, records, discordant) * np.where(critical >= 0, rejects, 0)).sum())


def detectable_lead(records: int, discordant: float, alpha: float, power: float) -> float | None:
    """The smallest difference of accuracies that McNemar's exact test finds with the given power.

    Args:
        records: n.
        discordant: share of records that exactly one model gets right, as observed or assumed.
        alpha: level of the test.
        power: wanted.

    Returns:
        A share, at most `discordant`; None if no lead is large enough with so few discordant records.
    """
    if not discordant or mcnemar_power(records, discordant, discordant, alpha) < power:
        return None

    def missing(lead: float) -> float:
        return mcnemar_power(records, discordant, lead, alpha) - power

    return float(brentq(missing, 0, discordant, xtol=1e-6))
