"""A generator for random cases. ECGPIPE_TEST_SEED sets its seed; CI tries another one each week."""

import os

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(os.environ.get("ECGPIPE_TEST_SEED", "0"))
    print(f"ECGPIPE_TEST_SEED={seed}")
    return np.random.default_rng(seed)
