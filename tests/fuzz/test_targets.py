"""Readers return a value or an ecgpipe error that names the file or key, for any content, and execute nothing.

A few damaged files for every reader; `make fuzz` reads many (tests/fuzz/__main__.py).
"""

import pytest

from tests.fuzz.targets import targets

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom warns about what it tolerates


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return targets(tmp_path_factory.mktemp("fuzz"))


def test_valid_files_are_read(every):
    for target in every:
        if target.weight == 1:  # the page reader's take a second each
            assert {target.run(content) for content in target.good} == {"read"}, target.name


def test_damaged_files_are_read_or_named(every):
    outcomes = set()
    for target in every:
        for number in range(12 if target.weight == 1 else 1):
            try:
                outcomes.add(target.run(target.case(0, number)))
            except Exception as error:
                raise AssertionError(f"{target.name}, seed 0, number {number}: {error!r}") from error
    assert {"read", "DataError", "RecordError", "ConfigError"} <= outcomes
