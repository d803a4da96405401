"""A generator with a new seed each run, printed so that a failure can be repeated."""

import os

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(os.environ.get("ECGPIPE_TEST_SEED", np.random.SeedSequence().entropy % 2**32))
    print(f"ECGPIPE_TEST_SEED={seed}")
    return np.random.default_rng(seed)
