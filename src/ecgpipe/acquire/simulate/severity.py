"""How marked a finding is: one number that every finding translates into millivolts or milliseconds."""

import numpy as np

THRESHOLD = 0.5  # the severity at which a finding just meets its textbook criterion


def draw_severity(rng: np.random.Generator, difficulty: float) -> float:
    """A severity in 0.1 to 1: below 0.5, short of the textbook criterion, with probability ``difficulty``."""
    below, mild, marked = rng.random() < difficulty, rng.uniform(0.1, THRESHOLD), rng.beta(1.4, 2.2)
    return float(mild if below else THRESHOLD + (1 - THRESHOLD) * marked)


def graded(severity: float, absent: float, criterion: float, severe: float) -> float:
    """``absent`` at severity 0, ``criterion`` at 0.5, ``severe`` at 1, linear between."""
    return float(np.interp(severity, (0, THRESHOLD, 1), (absent, criterion, severe)))
