"""Kinds of faults. Each strikes a world on the way to a stage and reports what it did and which file it damaged."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.world import STAGES, World

# Files that jobs read on the way from one stage to the next, and that a fault may damage beforehand.
READ = {
    1: ("labels.parquet", "records.parquet"),
    2: (
        "splits/*/seed-0.parquet", "labels.parquet", "images/*.npy", "images/*.index.parquet",
        "audit/duplicates.parquet",
    ),
    3: (
        "*/resnet10t/seed-0/run.json", "*/resnet10t/seed-0/run_index.npz", "*/resnet10t/seed-0/weights.safetensors",
        "*/resnet10t/seed-0/train.json", "*/resnet10t/seed-0/history.csv", "images/*.npy", "images/*.index.parquet",
        "pages/*.parquet", "records.parquet", "labels.json", "labels.parquet", "splits/*/seed-0.json",
        "audit/audit.json", "audit/leaks.json", "audit/duplicates.parquet",
    ),
}  # fmt: skip


@dataclass
class Struck:
    """What a fault did.

    Attributes:
        what: description.
        hit: whether it struck at all: the run may have ended first.
        damaged: the damaged file; a message must name it.
        repair: ends the fault as a user would: more space, permissions.
        said: output of the run that it struck.
        notes: problems of its messages.
    """

    what: str
    hit: bool = True
    damaged: Path | None = None
    repair: Callable[[], None] = lambda: None
    said: str = ""
    notes: list[str] = field(default_factory=list)


def _somewhere(run, chance: random.Random) -> bool:
    """Wait for a random number of jobs and a random time."""
    share = chance.random()
    return run.wait_for(lambda: run.jobs[1] and run.jobs[0] >= int(share * run.jobs[1])) and _later(run, chance, 3.0)


def _later(run, chance: random.Random, most: float) -> bool:
    end = time.monotonic() + chance.uniform(0, most)
    run.wait_for(lambda: time.monotonic() > end)
    return run.alive()


def kill_all(world: World, stage: int, chance: random.Random) -> Struck:
    """Kill Snakemake and all its jobs."""
    run = world.start(*STAGES[stage])
    hit = _somewhere(run, chance)
    done, total = run.jobs
    run.kill_all()
    return Struck(f"all killed after {done} of {total} jobs", hit, said=run.text)


def kill_worker(world: World, stage: int, chance: random.Random) -> Struck:
    """Kill the process of one job."""
    run = world.start(*STAGES[stage])
    _somewhere(run, chance)
    hit = run.wait_for(run.workers, 60)
    workers = run.workers()
    if workers:
        chosen = chance.choice(workers)
        name = chosen.cmdline()[-1].rpartition(".snakemake/scripts/")[2].partition(".")[2]
        chosen.kill()
        run.wait()
        return Struck(f"job {name} killed", True, said=run.text)
    run.wait()
    return Struck("no job to kill", hit and bool(workers), said=run.text)


def kill_training(world: World, stage: int, chance: random.Random) -> Struck:
    """Kill the training at a random moment."""
    run = world.start(*STAGES[2])
    run.wait_for(lambda: run.workers("train.py"))
    checkpoints = world.folder / "results/ptb-xl/paper/resnet10t/seed-0/checkpoints"
    if chance.random() < 0.7:
        run.wait_for((checkpoints / "last.ckpt").exists)
        _later(run, chance, 2.0)
    else:
        _later(run, chance, 6.0)
    workers = run.workers("train.py")
    there = (checkpoints / "last.ckpt").exists()
    for worker in workers:
        worker.kill()
    run.wait()
    return Struck(f"training killed, {'with' if there else 'without'} a checkpoint", bool(workers), said=run.text)


def corrupt_checkpoint(world: World, stage: int, chance: random.Random) -> Struck:
    """Kill the training when it has a checkpoint, then cut, change or remove the checkpoint."""
    run = world.start(*STAGES[2])
    last = world.folder / "results/ptb-xl/paper/resnet10t/seed-0/checkpoints/last.ckpt"
    hit = run.wait_for(last.exists)
    run.kill_all()
    if not last.exists():
        return Struck("no checkpoint to damage", False, said=run.text)
    how = chance.choice(("cut", "changed", "changed", "removed"))
    damage(last, how, chance)
    return Struck(f"checkpoint {how}", hit, last if how != "removed" else None, said=run.text)


def damage(path: Path, how: str, chance: random.Random) -> None:
    """Cut, change or remove a file and keep its modification time, as a failing disk would do."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
        return
    if how == "cut":
        del data[chance.randrange(len(data)) :]
    else:
        for _ in range(chance.choice((1, 1, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _victim(world: World, stage: int, chance: random.Random) -> Path:
    found = [path for pattern in READ[stage] for path in (world.folder / "results/ptb-xl").glob(pattern)]
    return chance.choice(sorted({path for path in found if "problems" not in path.name}))


def _damaged(how: str) -> Callable[[World, int, random.Random], Struck]:
    def strike(world: World, stage: int, chance: random.Random) -> Struck:
        victim = _victim(world, stage, chance)
        damage(victim, how, chance)
        name = victim.relative_to(world.folder / "results/ptb-xl").as_posix()
        return Struck(f"{name} {how}", damaged=victim if how != "removed" else None)

    return strike


def disk_full(world: World, stage: int, chance: random.Random) -> Struck:
    """Put the results on a file system that is too small for the next stage."""
    results = world.folder / "results"
    aside = results.rename(world.folder / "aside")
    results.mkdir()

    def size(folder: Path) -> int:  # in pages of 4 KB, as tmpfs counts
        return sum(-(-path.stat().st_size // 4096) * 4096 + 4096 for path in folder.rglob("*") if path.is_file())

    used, after = size(aside), size(world.folder.parent / f"stage-{stage + 1}/results")
    room = used + 65536 + int(chance.uniform(0, 0.8) * max(after - used - 65536, 0))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(results)], check=True)
    subprocess.run(["cp", "-a", f"{aside}/.", str(results)], check=True)
    run = world.start(*STAGES[stage])
    status = run.wait()
    full = any(words in run.text for words in ("No space left", "free disk space", "the disk has"))

    def repair() -> None:
        subprocess.run(["mount", "-o", "remount,size=2g", str(results)], check=True)

    struck = Struck(f"disk full, with {(room - used) >> 10} KB left", bool(status), repair=repair, said=run.text)
    if status and not full:
        struck.notes.append("the message does not mention space")
    shutil.rmtree(aside)
    return struck


def not_writable(world: World, stage: int, chance: random.Random) -> Struck:
    """Make a folder, or a file that is to be replaced, read-only even for root (chattr +i)."""
    after = world.folder.parent / f"stage-{stage + 1}"
    new = {path.relative_to(after) for path in (after / "results").rglob("*") if path.is_file()}
    new -= {path.relative_to(world.folder) for path in (world.folder / "results").rglob("*")}
    new = sorted(path for path in new if "logs" not in path.parts and "benchmarks" not in path.parts)
    victim = world.folder / chance.choice(new)
    folder = chance.random() < 0.5
    if folder:
        victim = victim.parent
        victim.mkdir(parents=True, exist_ok=True)
    else:
        victim.parent.mkdir(parents=True, exist_ok=True)
        victim.write_bytes(b"an older file")
        os.utime(victim, (1, 1))
    subprocess.run(["chattr", "+i", str(victim)], check=True)
    run = world.start(*STAGES[stage])
    status = run.wait()

    def repair() -> None:
        subprocess.run(["chattr", "-i", str(victim)], check=True)

    name = victim.relative_to(world.folder).as_posix()
    struck = Struck(f"{'folder' if folder else 'file'} {name} read-only", bool(status), repair=repair, said=run.text)
    if status and victim.name not in run.text:
        struck.notes.append("the message does not name it")
    return struck


def download(world: World, stage: int, chance: random.Random) -> Struck:
    """Kill the download and damage its part; or remove the unpacked data, or damage one of its files."""
    data = world.folder / "resources/ptb-xl"
    if data.exists():
        how = chance.choice(("all", "one"))
        if how == "all":
            shutil.rmtree(data)
            return Struck("the unpacked dataset removed")
        victim, how = chance.choice(sorted(data.rglob("*.dat"))), chance.choice(("cut", "changed", "removed"))
        damage(victim, how, chance)
        return Struck(f"{victim.name} of the dataset {how}", damaged=victim)
    run = world.start(*STAGES[stage])
    part = world.folder / "resources/.ptb-xl.zip.part"
    hit = run.wait_for(lambda: part.exists() and part.stat().st_size > 100_000)
    run.kill_all()
    if not part.exists():
        return Struck("no part of the download to damage", False, said=run.text)
    how = chance.choice(("cut", "changed", "removed"))
    damage(part, how, chance)
    return Struck(f"download killed, its part {how}", hit, said=run.text)


KINDS: dict[str, tuple[Callable, tuple[int, ...]]] = {
    "all killed": (kill_all, (0, 1, 2, 3)),
    "training killed": (kill_training, (2,)),
    "bytes changed": (_damaged("changed"), (1, 2, 3)),
    "disk full": (disk_full, (0, 1, 2, 3)),
    "not writable": (not_writable, (0, 1, 2, 3)),
    "checkpoint damaged": (corrupt_checkpoint, (2,)),
    "job killed": (kill_worker, (0, 1, 3)),
    "file cut": (_damaged("cut"), (1, 2, 3)),
    "download damaged": (download, (0, 0, 1)),
    "file removed": (_damaged("removed"), (1, 2, 3)),
}
"""Kind -> function, and the stages on the way to which it strikes."""
