"""The page reader of the package."""

import pytest

from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_reader


@pytest.fixture(scope="module")
def net() -> ReaderNet:
    return load_reader()
