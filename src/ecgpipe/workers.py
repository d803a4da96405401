"""A function applied to many items in several processes; results in the order of the items."""

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from ecgpipe.errors import EcgpipeError

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 8  # items per task
QUEUED = 2  # tasks per process that wait or run
AHEAD = 8  # tasks per process that are done or queued before the next result


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """``map`` in several processes. The calling process also works while the others start or are busy.

    Processes are forked, since Snakemake's scripts have no main guard. Items are taken as results are used, a few dozen
    ahead.

    Args:
        function: picklable, independent of other calls.
        items: picklable, as are the results.
        workers: number of processes.

    Raises:
        EcgpipeError: a process was killed.
    """
    if workers <= 1 or sys.platform == "win32":
        yield from map(function, items)
        return
    tasks: deque[Future] = deque()
    items = iter(items)
    pool = ProcessPoolExecutor(workers - 1, mp_context=multiprocessing.get_context("fork"))
    try:
        while chunk := list(islice(items, CHUNK)):
            if sum(not task.done() for task in tasks) < QUEUED * (workers - 1):
                tasks.append(pool.submit(_apply, function, chunk))
            else:
                tasks.append(_run_here(function, chunk))
            while tasks and (tasks[0].done() or len(tasks) > AHEAD * workers):
                yield from tasks.popleft().result()
        while tasks:
            yield from tasks.popleft().result()
    except BrokenProcessPool as error:
        raise EcgpipeError(
            "a worker process was killed, probably out of memory; use fewer threads for this rule"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _apply(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _run_here(function: Callable[[Item], Result], chunk: list[Item]) -> Future:
    """A finished task with the results of a chunk, or with its error, which is raised in order."""
    task: Future = Future()
    try:
        task.set_result(_apply(function, chunk))
    except Exception as error:
        task.set_exception(error)
    return task
