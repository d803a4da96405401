"""Number of fuzzing cases, and a summary of their outcomes.

ECGPIPE_FUZZ is the number of cases per test (`make fuzz` sets it); without it 30, always the same.
"""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

CASES = os.environ.get("ECGPIPE_FUZZ")
COUNTS: dict[str, Counter] = {}

settings.register_profile(
    "ecgpipe",
    max_examples=int(CASES or 30),
    derandomize=not CASES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),  # every case writes files, which is slow
)
settings.load_profile("ecgpipe")


@pytest.fixture
def met(request) -> Counter:
    """Counts cases by outcome."""
    return COUNTS.setdefault(request.node.name, Counter())


def pytest_terminal_summary(terminalreporter):
    """After a long run, print one line per test."""
    if CASES and COUNTS:
        terminalreporter.section("fuzzing: outcomes")
        for name, count in COUNTS.items():
            terminalreporter.write_line(f"{name}: {count.total()} cases, {dict(count.most_common())}")
