"""Inject faults at random moments and test whether the same command then gives the results of a run without faults.

    python -m tests.faults --faults 50 --seed 0 [--first 10] [--work DIR] [--log faults.jsonl]

A fault is survived if following the messages (``--unlock``; delete the named file; free space; change permissions),
also those of ``ecgpipe check`` after the command has succeeded, gives the results of the run without faults, with no
temporary file and no lock left. Damage that changes a result without a message is a failure; so is a message that does
not name the file.
"""

import argparse
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.kinds import KINDS, Struck
from tests.faults.world import STAGES, World, make_base

ATTEMPTS = 4


def recover(world: World, stage: int, struck: Struck) -> tuple[str | None, list[str]]:
    """Act like a user: repeat the command and follow its messages. Returns the reason of a failure and the steps."""
    struck.repair()
    steps: list[str] = []
    for _ in range(ATTEMPTS):
        status, said = world.finish(*STAGES[stage])
        if status == 0:
            status, said = world.check()
            if status == 0:
                return None, steps
            if missing := re.findall(r"^\S+: missing; .*snakemake (\S+)", said, re.M):
                steps.append(f"make {' '.join(missing)}")
                status, said = world.finish(*missing)
                if status:
                    return f"cannot be made again: {said[-1500:]}", steps
                continue
            failure, named = follow(world, struck, said, "", steps)
            if failure:
                return failure, steps
            if files := [name for name in named if Path(name).suffix]:  # files that no job reads are made on request
                steps.append(f"make {' '.join(files)}")
                status, said = world.finish(*files)
                if status:
                    return f"cannot be made again: {said[-1500:]}", steps
            continue
        if "--unlock" in said:
            steps.append("unlock")
            status, said = world.finish("--unlock")
            if status:
                return f"the lock remains: {said[-300:]}", steps
            continue
        if failure := follow(world, struck, said, "error: ", steps)[0]:
            return failure, steps
    return f"not done after {ATTEMPTS} attempts", steps


def follow(world: World, struck: Struck, said: str, before: str, steps: list[str]) -> tuple[str | None, list[str]]:
    """Delete the files named by messages that start with ``before``. Returns the reason of a failure, and the files."""
    named = [match.strip(":,;()") for match in re.findall(rf"^{before}.*?delete the folder (\S+)", said, re.M)]
    named += re.findall(rf"^{before}(\S+?): .*?delete it and", said, re.M)
    paths = [path for path in dict.fromkeys((world.folder / name).resolve() for name in named) if path.exists()]
    if not paths:
        return f"fails without a remedy: {said[-1500:]}", []
    damaged = (struck.damaged or world.folder).resolve()
    if struck.damaged and not any(path in (damaged, *damaged.parents) for path in paths):
        return f"names {', '.join(map(str, paths))} instead of {struck.damaged}", []
    deleted = [str(path.relative_to(world.folder)) for path in paths]
    for path, name in zip(paths, deleted, strict=True):
        steps.append(f"delete {name}")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return None, deleted


def compare(world: World, expected: dict[str, str]) -> str | None:
    """How the results differ from those of the run without faults."""
    found = world.digest()
    differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differ:
        return f"differs: {', '.join(differ[:5])}{f' and {len(differ) - 5} more' if len(differ) > 5 else ''}"
    if left := world.left_over():
        return f"left over: {', '.join(left[:5])}"
    return None


def one(number: int, arguments: argparse.Namespace, base: World, digests: list[dict[str, str]]) -> dict:
    """Inject one fault."""
    names = list(KINDS)
    kind = names[number % len(names)]
    strike, stages = KINDS[kind]
    start, before = time.monotonic(), _processor_seconds()
    for attempt in range(3):  # a run may end before the fault strikes
        chance = random.Random(f"{arguments.seed} {number} {attempt}")
        stage = chance.choice(stages)
        world = World(arguments.work / f"stage-{stage}", base.address, base.sha256).copy(
            arguments.work / f"try-{number}"
        )
        try:
            struck = strike(world, stage, chance)
            if not struck.hit:
                continue
            failure, steps = recover(world, stage, struck)
            failure = failure or compare(world, digests[stage])
            if failure is None and struck.notes:
                failure = "; ".join(struck.notes)
            if failure:
                failure += f"\n--- output when struck ---\n{struck.said[-1500:]}"
            break
        finally:
            if not arguments.keep:
                world.remove()
    else:
        struck, failure, steps, stage = Struck("never struck"), None, [], 0
        kind = "missed"
    target = " ".join(Path(name).stem for name in STAGES[stage])
    seconds = round(time.monotonic() - start, 1)
    return {"number": number, "kind": kind, "way to": target, "what": struck.what, "steps": steps, "failure": failure,
            "seconds": seconds, "processor_seconds": round(_processor_seconds() - before, 1)}  # fmt: skip


def _processor_seconds() -> float:
    """Of the processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(rows: list[dict]) -> str:
    """Numbers by kind."""
    tried, failed = Counter(row["kind"] for row in rows), Counter(row["kind"] for row in rows if row["failure"])
    helped = Counter(row["kind"] for row in rows if row["steps"] and not row["failure"])
    lines = [
        "| fault | tried | survived | of these by following a message | failed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in [*KINDS, "missed"]:
        if tried[kind]:
            lines.append(f"| {kind} | {tried[kind]} | {tried[kind] - failed[kind]} | {helped[kind]} | {failed[kind]} |")
    total = tried.total(), tried.total() - failed.total(), helped.total(), failed.total()
    return "\n".join([*lines, "| **all** | " + " | ".join(f"**{number}**" for number in total) + " |"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=50, help="number of faults (default 50)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="working folder; kept, and its run without faults is reused")
    parser.add_argument("--log", type=Path, help="append one line of JSON per fault to this file and print its table")
    parser.add_argument("--keep", action="store_true", help="keep the folder of each fault")
    arguments = parser.parse_args()
    own = None if arguments.work else tempfile.TemporaryDirectory(prefix="ecgpipe-faults-")
    arguments.work = (arguments.work or Path(own.name)).resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    base, server, digests = make_base(arguments.work)
    rows = []
    for number in range(arguments.first, arguments.first + arguments.faults):
        rows.append(one(number, arguments, base, digests))
        state = "FAILED" if rows[-1]["failure"] else "survived"
        print("{number:3d} {seconds:6.1f} s  {kind}, on the way to {way to}: {what}".format(**rows[-1]), end=": ")
        print(state, *([rows[-1]["failure"]] if rows[-1]["failure"] else rows[-1]["steps"]), flush=True)
        if arguments.log:
            with open(arguments.log, "a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    if arguments.log:
        latest = {row["number"]: row for row in map(json.loads, arguments.log.read_text().splitlines())}
        rows = list(latest.values())
    print(table(rows))
    server.shutdown()
    return int(any(row["failure"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
