"""Several processes give the same results as one, in the same order."""

import os

import pytest

from ecgpipe.errors import EcgpipeError
from ecgpipe.workers import ordered_map


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail_at_50(number: int) -> int:
    if number == 50:
        raise EcgpipeError("fifty")
    return number


def die_elsewhere(here: int) -> int:
    if os.getpid() != here:
        os._exit(9)
    return here


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_order_and_processes(workers, count):
    results = list(ordered_map(square, iter(range(count)), workers))
    assert [result for result, _ in results] == [number * number for number in range(count)]
    processes = {process for _, process in results}
    assert len(processes) <= workers
    if count == 300 and workers > 1:
        assert len(processes) > 1


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_in_order(workers):
    results = ordered_map(fail_at_50, range(100), workers)
    with pytest.raises(EcgpipeError, match="fifty"):
        for expected, result in enumerate(results):
            assert result == expected
    assert expected < 50


def test_a_killed_process_is_an_error():
    with pytest.raises(EcgpipeError, match="memory"):
        list(ordered_map(die_elsewhere, [os.getpid()] * 100, 2))


def test_items_are_taken_as_results_are_used():
    taken = []
    results = ordered_map(square, (taken.append(number) or number for number in range(10_000)), 2)
    next(results)
    assert len(taken) < 1000
    results.close()
