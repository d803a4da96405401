"""The server of the downloads."""

import pytest

from tests.acquire.server import running


@pytest.fixture
def server():
    with running() as faulty:
        yield faulty
