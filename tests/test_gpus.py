"""Each process has its own GPUs: pretended ids, real processes, a real kill."""

import importlib
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from ecgpipe import gpus
from ecgpipe.cli import main
from ecgpipe.errors import ConfigError, EcgpipeError
from ecgpipe.fingerprint import closure
from ecgpipe.gpus import requested_gpus, reserve_gpus, visible_gpus
from tests.conftest import PROJECT

UUIDS = ("GPU-1a2b-00", "GPU-1a3c-01", "GPU-9f00-02")
# Takes GPUs, says which, and holds them until its standard input ends or so many seconds are over.
HOLDER = """
import os, select, sys, time
from ecgpipe.gpus import reserve_gpus
with reserve_gpus(int(sys.argv[1])) as mine:
    print(os.getpid(), time.monotonic(), *mine, flush=True)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(mine)
    select.select([sys.stdin], [], [], float(sys.argv[2]))
    print(os.getpid(), time.monotonic(), flush=True)
"""
# The same, and a process of its own beside it, as the trainer starts one for every further GPU.
TWO_PROCESSES = f"""
import subprocess, sys
from ecgpipe.gpus import reserve_gpus
with reserve_gpus(2):
    subprocess.run([sys.executable, "-c", {HOLDER!r}, "2", "60"])
"""


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """Locks of its own, no assignment from outside, and no GPU but those that a test pretends."""
    for name in ("SLURM_JOB_ID", "LOCAL_RANK", gpus.RESERVED, gpus.VISIBLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(gpus.LOCKS, str(tmp_path / "locks"))
    monkeypatch.setattr(gpus, "SECONDS_BETWEEN_TRIES", 0.05)
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' " + " ".join(UUIDS) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def start(*arguments: str, code: str = HOLDER) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def taken(process: subprocess.Popen) -> tuple[float, list[str]]:
    """When a process got its GPUs, and which; waits until it has."""
    _, moment, *mine = process.stdout.readline().split()
    return float(moment), mine


@pytest.mark.parametrize(
    "chosen, usable",
    [
        (None, list(UUIDS)),
        ("", []),
        ("-1", []),
        ("2,0", [UUIDS[2], UUIDS[0]]),
        ("1,7,0", [UUIDS[1]]),  # CUDA stops at the first that is not there
        ("GPU-9f,0", [UUIDS[2], UUIDS[0]]),
        ("MIG-77", ["MIG-77"]),
        ("0,0", [UUIDS[0]]),
    ],
)
def test_usable_gpus(machine, monkeypatch, chosen, usable):
    if chosen is not None:
        monkeypatch.setenv(gpus.VISIBLE, chosen)
    assert visible_gpus() == usable


@pytest.mark.parametrize(
    "resources, count",
    [({}, 0), ({"gpu": 2}, 2), ({"gres": "gpu"}, 1), ({"gres": "gpu:3"}, 3), ({"gres": "gpu:a100:2"}, 2)],
)
def test_what_a_rule_asks_for(resources, count):
    assert requested_gpus(resources) == count
    assert requested_gpus({}, default=1) == 1


def test_no_two_processes_share_one(machine):
    processes = [start("1", "0.3") for _ in range(6)]
    spans: dict[str, list[tuple[float, float]]] = {}
    for process in processes:
        first, last = (line.split() for line in process.communicate(timeout=60)[0].splitlines())
        spans.setdefault(first[2], []).append((float(first[1]), float(last[1])))
    assert set(spans) <= set(UUIDS)  # that none lies idle shows where all are held for long (all_taken)
    for each in map(sorted, spans.values()):
        assert all(end <= start for (_, end), (start, _) in pairwise(each)), spans


def test_a_killed_process_leaves_its_gpu_to_the_next(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "1")
    first, second = start("1", "60"), None
    try:
        assert taken(first)[1] == [UUIDS[1]]
        second = start("1", "0")
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(1.5)
        first.send_signal(signal.SIGKILL)
        assert taken(second)[1] == [UUIDS[1]]
        assert second.wait(30) == 0
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()


def test_a_training_of_several_processes_holds_its_gpus_until_the_last_ends(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0,2")
    parent, waiting = start(code=TWO_PROCESSES), None
    try:
        line = parent.stdout.readline().split()
        child = int(line[0])
        assert line[2:] == [UUIDS[0], UUIDS[2]]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        waiting = start("1", "0")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)
        os.kill(child, signal.SIGKILL)
        assert taken(waiting)[1] == [UUIDS[0]]
    finally:
        for process in filter(None, (parent, waiting)):
            process.kill()
            process.wait()


def test_two_that_each_want_two_of_three_do_not_wait_for_each_other(machine):
    processes = [start("2", "0.2") for _ in range(4)]
    for process in processes:
        assert len(process.communicate(timeout=60)[0].splitlines()[0].split()) == 4
        assert process.returncode == 0


def test_none_asked_for_none_seen(machine):
    with reserve_gpus(0) as mine:
        assert mine == [] and os.environ[gpus.VISIBLE] == ""
    assert gpus.VISIBLE not in os.environ


def test_more_than_there_are(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0,1")
    with pytest.raises(ConfigError, match=r"3 GPUs are requested, .* 2 \(GPU-1a2b-00, GPU-1a3c-01\)"), reserve_gpus(3):
        pass


def test_a_lock_that_cannot_be_opened_is_named(machine):
    (machine / "locks").mkdir()
    (machine / "locks" / f"{UUIDS[0]}.lock").symlink_to("elsewhere")
    with pytest.raises(EcgpipeError, match=rf"{UUIDS[0]}\.lock: the lock of a GPU cannot be opened"), reserve_gpus(1):
        pass


def test_others_may_open_the_locks(machine):
    before = os.umask(0o077)
    try:
        with reserve_gpus(1):
            pass
    finally:
        os.umask(before)
    assert (machine / "locks").stat().st_mode & 0o7777 == 0o1777
    assert next((machine / "locks").iterdir()).stat().st_mode & 0o777 == 0o644


def test_a_machine_without_gpus_waits_for_none(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "none")
    with reserve_gpus(2) as mine:
        assert mine == [] and gpus.VISIBLE not in os.environ


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "LOCAL_RANK"])
@pytest.mark.parametrize("visible", ["5", None])
def test_where_others_assign_gpus_nothing_is_touched(machine, monkeypatch, name, visible):
    monkeypatch.setenv(name, "0")
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    for count in (0, 1, 9):
        with reserve_gpus(count) as mine:
            assert mine == [] and os.environ.get(gpus.VISIBLE) == visible
    assert not (machine / "locks").exists()


@pytest.fixture
def all_taken(machine):
    """Others hold every GPU."""
    holders = [start("1", "60") for _ in UUIDS]
    assert {taken(holder)[1][0] for holder in holders} == set(UUIDS)
    yield
    for holder in holders:
        holder.kill()
        holder.wait()


def test_without_waiting_there_are_so_many_or_none(machine, caplog):
    with reserve_gpus(2, wait=False) as mine:
        assert mine == list(UUIDS[:2]) and os.environ[gpus.VISIBLE] == ",".join(mine)
        assert not [record for record in caplog.records if record.levelname == "WARNING"]
        # as another process; monkeypatch would put back what this block has set, after its end
        with patch.dict(os.environ, {gpus.VISIBLE: "0,1,2"}):
            del os.environ[gpus.RESERVED]
            with reserve_gpus(2, wait=False) as others:
                assert others == [] and os.environ[gpus.VISIBLE] == ""
            with reserve_gpus(1, wait=False) as others:
                assert others == [UUIDS[2]]
    assert gpus.RESERVED not in os.environ and gpus.VISIBLE not in os.environ


def test_none_that_is_free_hides_them_all_and_is_told(all_taken, caplog):
    with reserve_gpus(1, wait=False) as mine:
        assert mine == [] and os.environ[gpus.VISIBLE] == ""
    assert gpus.VISIBLE not in os.environ
    assert [record.message for record in caplog.records] == [
        f"no GPU is free (others have {', '.join(UUIDS)}); running on the CPU"
    ]


def test_without_gpus_there_is_nothing_to_tell(machine, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "none")
    with reserve_gpus(1, wait=False) as mine:
        assert mine == [] and gpus.VISIBLE not in os.environ and not caplog.records


COMMANDS = {
    "predict": ["predict", "model", "photo.jpg"],
    "serve": ["serve", "model"],
    "card": ["card", "run"],
}


@pytest.fixture
def seen(monkeypatch) -> list[str | None]:
    """What the commands' own work would see of GPUs."""
    found: list[str | None] = []
    for name in COMMANDS:
        module = importlib.import_module(f"ecgpipe.cli.{name}")
        monkeypatch.setattr(module, f"_{name}", lambda args: found.append(os.environ.get(gpus.VISIBLE)))
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_a_gpu_of_its_own_for_as_long_as_it_works(machine, seen, command):
    with reserve_gpus(1):
        os.environ.pop(gpus.RESERVED)  # as another process
        os.environ.pop(gpus.VISIBLE)
        assert main(COMMANDS[command]) == 0
        assert seen == [UUIDS[1]]
        os.environ |= {gpus.RESERVED: UUIDS[0], gpus.VISIBLE: UUIDS[0]}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_computes_on_the_processor_where_no_gpu_is_free(all_taken, seen, command, caplog):
    assert main(COMMANDS[command]) == 0
    assert seen == [""]
    assert "no GPU is free" in caplog.text


def test_the_driver_lists_gpus_where_its_program_is_missing(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "driver")
    for number, name in enumerate(("GPU-00aa", "GPU-00bb")):
        folder = machine / "driver" / f"0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t A card\nGPU UUID: \t {name}\nBus Type: \t PCIe\n")
    assert visible_gpus() == ["GPU-00aa", "GPU-00bb"]


def test_every_script_that_may_use_a_gpu_takes_its_own():
    """And its rule gets one on a workstation; else it would share one, or compute on the processor."""
    profile = yaml.safe_load((PROJECT / "profiles/default/config.yaml").read_text())
    users = set()
    for script in (PROJECT / "scripts").glob("*.py"):
        files = (PROJECT / "src" / Path(*module.split(".")).with_suffix(".py") for module in closure(script))
        if any("torch.cuda.is_available()" in file.read_text() for file in files if file.is_file()):
            users.add(script.stem)
            assert "reserve_gpus(" in script.read_text(), script.name
            assert profile["set-resources"][script.stem]["gpu"] >= 1
    assert {"train", "predict"} <= users
