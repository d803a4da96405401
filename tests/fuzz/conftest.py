"""How long the fuzzing goes on, and what it met.

ECGPIPE_FUZZ is the number of cases of each test: `make fuzz` sets it. Without it a few dozen, always the same.
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
    suppress_health_check=list(HealthCheck),  # files are written anew for every case; slow is not wrong here
)
settings.load_profile("ecgpipe")


@pytest.fixture
def met(request) -> Counter:
    """Counts cases by what came of them."""
    return COUNTS.setdefault(request.node.name, Counter())


def pytest_terminal_summary(terminalreporter):
    """A line for each test, of a long run."""
    if CASES and COUNTS:
        terminalreporter.section("fuzzing: what came of the cases")
        for name, count in COUNTS.items():
            terminalreporter.write_line(f"{name}: {count.total()} cases, {dict(count.most_common())}")
