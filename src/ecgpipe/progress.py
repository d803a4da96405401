"""Progress of long work: a bar on a terminal, elsewhere a line in the log every 30 seconds."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 30

logger = logging.getLogger(__name__)


def progress_bars_shown() -> bool:
    """Whether to show progress bars: on a terminal, unless the log level hides warnings."""
    return sys.stderr.isatty() and logger.isEnabledFor(logging.WARNING)


def progress(items: Iterable[Item], title: str, total: int | None = None, unit: str = "records") -> Iterator[Item]:
    """Yield the items and show how many are done, the speed and the remaining time."""
    bar = tqdm(
        items,
        desc=title,
        total=total,
        unit=f" {unit}",
        disable=not progress_bars_shown(),
        dynamic_ncols=True,
        leave=False,
    )
    total = total if total is not None else bar.total  # type: ignore[assignment]
    start = last = time.monotonic()
    done = 0
    for item in bar:
        yield item
        done += 1
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - start)
            left = f", {(total - done) / rate:.0f} s left" if total else ""
            logger.info("%s: %d of %s %s, %.1f a second%s", title, done, total or "?", unit, rate, left)
    logger.info("%s: %d %s in %.1f s", title, done, unit, time.monotonic() - start)


def progress_counter(title: str, unit: str = "records") -> Callable[[int, int | None], None]:
    """A callback ``(done, total)`` that shows the same, for work that does its own counting.

    The total may be unknown (None); ``done`` may fall, if work starts over.

    Args:
        title: what is counted.
        unit: ``B`` for bytes, shown in binary multiples.
    """
    scale = {"unit_scale": True, "unit_divisor": 1024} if unit == "B" else {}
    bar = tqdm(desc=title, unit=f" {unit}", disable=not progress_bars_shown(), dynamic_ncols=True, leave=False, **scale)  # type: ignore[call-overload]
    start = last = time.monotonic()
    first: int | None = None

    def amount(number: float) -> str:
        return f"{tqdm.format_sizeof(number, 'B', 1024)}" if scale else f"{number:.0f} {unit}"

    def show(done: int, total: int | None) -> None:
        nonlocal first, last, start
        now = time.monotonic()
        if first is None or done < first:  # earlier work does not count towards the speed
            first, start = done, now
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()
            logger.info("%s: %s", title, amount(done))
        elif now - last > SECONDS_BETWEEN_LINES:
            last = now
            rate = (done - first) / max(now - start, 1e-9)
            left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
            whole = amount(total) if total else "?"
            logger.info("%s: %s of %s, %s a second%s", title, amount(done), whole, amount(rate), left)

    return show
