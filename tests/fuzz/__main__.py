"""Read many damaged files with every reader; each case follows from its target, seed and number.

    python -m tests.fuzz --seconds 600 [--seed 0] [--only PDF --only digitize]

Every target gets the same time, the page reader five times as much. A case fails if the reader raises anything but an
ecgpipe error that names the file, or takes more than ``LONGEST`` seconds. Failed cases are kept in --keep.
"""

import argparse
import faulthandler
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from tests.fuzz.target import Target
from tests.fuzz.targets import targets

LONGEST = 60
SHARE = 2.0  # seconds that a target gets before the next one


class TooLong(BaseException):
    """A case takes too long; no reader may catch this."""


def _too_long(*_: object) -> None:
    raise TooLong


def one(target: Target, seed: int, number: int) -> tuple[str, str]:
    """Outcome of a case and, if it failed, why."""
    signal.alarm(LONGEST)
    try:
        return target.run(target.case(seed, number)), ""
    except TooLong:
        return "too long", f"more than {LONGEST} s"
    except Exception:
        return "FAILED", traceback.format_exc()
    finally:
        signal.alarm(0)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together (default 600)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="name of a target; repeatable")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures").absolute(), help="folder for failed cases")
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    faulthandler.enable()
    logging.disable()
    warnings.simplefilter("ignore")
    outcomes: dict[str, Counter[str]] = {}
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="ecgpipe-fuzz-") as folder:
        os.chdir(folder)
        chosen = [each for each in targets(Path(folder)) if not arguments.only or each.name in arguments.only]
        numbers = dict.fromkeys((each.name for each in chosen), 0)
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            for target in chosen:
                counts, stop = outcomes.setdefault(target.name, Counter()), time.monotonic() + SHARE * target.weight
                while time.monotonic() < min(stop, end):
                    outcome, why = one(target, arguments.seed, numbers[target.name])
                    counts[outcome] += 1
                    if why and (kind := kind_of(why)) not in seen:
                        seen.add(kind)
                        keep(arguments.keep, target, arguments.seed, numbers[target.name], why)
                    numbers[target.name] += 1
        os.chdir("/")
    print("| files | cases | outcomes |\n| --- | --- | --- |")
    for name, counts in outcomes.items():
        print(f"| {name} | {counts.total()} | {', '.join(f'{k} {n}' for k, n in counts.most_common())} |")
    total = sum(counts.total() for counts in outcomes.values())
    failed = sum(counts["FAILED"] + counts["too long"] for counts in outcomes.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{total} cases, {failed} failed, of {len(seen)} kinds; peak memory {memory} MB")
    return int(failed > 0)


def kind_of(why: str) -> str:
    """The same for failures of the same kind: the last place and the error, without numbers."""
    places = re.findall(r'File "(.*?)", line', why) or [""]
    return places[-1] + re.sub(r"\d+", "", why.strip().splitlines()[-1])[:60]


def keep(folder: Path, target: Target, seed: int, number: int, why: str) -> None:
    """Store a failed case, and print why."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{target.name} {seed} {number}".replace("/", "-").replace(" ", "-")
    (folder / stem).write_bytes(target.case(seed, number))
    (folder / f"{stem}.txt").write_text(why)
    print(f"FAILED: {target.name}, seed {seed}, number {number}\n{why[-1500:]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
