"""Faults at random moments, and whether the same command afterwards ends with the results of an undisturbed run.

    python -m tests.faults --faults 50 --seed 0 [--first 10] [--work DIR] [--log faults.jsonl]

A fault survives if, after what the messages advise (``--unlock``; deleting the file that is named; room, rights), also
those of ``ecgpipe check`` once the command has succeeded, the results are those of the undisturbed run, with no
temporary file and no lock left. Damage that goes unnoticed and changes a result is a loss; so is a message that does
not name the file.
"""

import argparse
import json
import random
import re
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
    """What a person does: the same command, and what its messages advise. Returns why it is lost, and the steps."""
    struck.repair()
    steps: list[str] = []
    for _ in range(ATTEMPTS):
        status, said = world.finish(*STAGES[stage])
        if status == 0:
            status, said = world.check()
            if status == 0:
                return None, steps
            lost, named = follow(world, struck, said, "", steps)
            if lost:
                return lost, steps
            if files := [name for name in named if Path(name).suffix]:  # what no job wants is made if it is asked for
                steps.append(f"make {' '.join(files)}")
                status, said = world.finish(*files)
                if status:
                    return f"is not made again: {said[-1500:]}", steps
            continue
        if "--unlock" in said:
            steps.append("unlock")
            status, said = world.finish("--unlock")
            if status:
                return f"the lock stays: {said[-300:]}", steps
            continue
        if lost := follow(world, struck, said, "error: ", steps)[0]:
            return lost, steps
    return "not done after so many tries", steps


def follow(world: World, struck: Struck, said: str, before: str, steps: list[str]) -> tuple[str | None, list[str]]:
    """Delete what messages name, each with ``before`` at its beginning. Returns why it is lost, and what it deleted."""
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
    """How the results differ from the undisturbed ones."""
    found = world.digest()
    differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differ:
        return f"differs: {', '.join(differ[:5])}{f' and {len(differ) - 5} more' if len(differ) > 5 else ''}"
    if left := world.left_over():
        return f"left over: {', '.join(left[:5])}"
    return None


def one(number: int, arguments: argparse.Namespace, base: World, digests: list[dict[str, str]]) -> dict:
    """Try a fault."""
    names = list(KINDS)
    kind = names[number % len(names)]
    strike, stages = KINDS[kind]
    start = time.monotonic()
    for attempt in range(3):  # a run may end before it is struck
        chance = random.Random(f"{arguments.seed} {number} {attempt}")
        stage = chance.choice(stages)
        world = World(arguments.work / f"stage-{stage}", base.address, base.sha256).copy(
            arguments.work / f"try-{number}"
        )
        try:
            struck = strike(world, stage, chance)
            if not struck.hit:
                continue
            lost, steps = recover(world, stage, struck)
            lost = lost or compare(world, digests[stage])
            if lost is None and struck.notes:
                lost = "; ".join(struck.notes)
            if lost:
                lost += f"\n--- said when struck ---\n{struck.said[-1500:]}"
            break
        finally:
            if not arguments.keep:
                world.remove()
    else:
        struck, lost, steps, stage = Struck("never struck"), None, [], 0
        kind = "missed"
    target = " ".join(Path(name).stem for name in STAGES[stage])
    seconds = round(time.monotonic() - start, 1)
    return {"number": number, "kind": kind, "way to": target, "what": struck.what, "steps": steps, "lost": lost,
            "seconds": seconds}  # fmt: skip


def table(rows: list[dict]) -> str:
    """By kind: tried, survived, lost."""
    tried, lost = Counter(row["kind"] for row in rows), Counter(row["kind"] for row in rows if row["lost"])
    helped = Counter(row["kind"] for row in rows if row["steps"] and not row["lost"])
    lines = [
        "| fault | tried | survived | of these by the message's advice | lost |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in [*KINDS, "missed"]:
        if tried[kind]:
            lines.append(f"| {kind} | {tried[kind]} | {tried[kind] - lost[kind]} | {helped[kind]} | {lost[kind]} |")
    total = tried.total(), tried.total() - lost.total(), helped.total(), lost.total()
    return "\n".join([*lines, "| **all** | " + " | ".join(f"**{number}**" for number in total) + " |"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=50, help="how many (default 50)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to work in; kept, and its undisturbed run used again")
    parser.add_argument("--log", type=Path, help="a line of JSON for each is added to this file; its table is printed")
    parser.add_argument("--keep", action="store_true", help="keep the folder of each")
    arguments = parser.parse_args()
    own = None if arguments.work else tempfile.TemporaryDirectory(prefix="ecgpipe-faults-")
    arguments.work = (arguments.work or Path(own.name)).resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    base, server, digests = make_base(arguments.work)
    rows = []
    for number in range(arguments.first, arguments.first + arguments.faults):
        rows.append(one(number, arguments, base, digests))
        state = "LOST" if rows[-1]["lost"] else "survived"
        print("{number:3d} {seconds:6.1f} s  {kind}, on the way to {way to}: {what}".format(**rows[-1]), end=": ")
        print(state, *([rows[-1]["lost"]] if rows[-1]["lost"] else rows[-1]["steps"]), flush=True)
        if arguments.log:
            with open(arguments.log, "a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    if arguments.log:
        latest = {row["number"]: row for row in map(json.loads, arguments.log.read_text().splitlines())}
        rows = list(latest.values())
    print(table(rows))
    server.shutdown()
    return int(any(row["lost"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
