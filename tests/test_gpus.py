"""Each process reserves its own GPUs: mock ids, real processes, a real kill."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from ecgpipe import gpus
from ecgpipe.cli import main
from ecgpipe.doctor.profile import read_rule_resources
from ecgpipe.errors import ConfigError, EcgpipeError
from ecgpipe.fingerprint import closure
from ecgpipe.gpus import requested_gpus, reserve_gpus, visible_gpus
from tests.conftest import PROJECT

UUIDS = ("GPU-1a2b-00", "GPU-1a3c-01", "GPU-9f00-02")
# Reserves GPUs, prints them, and keeps them until its standard input ends or a number of seconds is over.
HOLDER = """
import os, select, sys, time
from ecgpipe.gpus import reserve_gpus
with reserve_gpus(int(sys.argv[1])) as mine:
    print(os.getpid(), time.monotonic(), *mine, flush=True)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(mine)
    select.select([sys.stdin], [], [], float(sys.argv[2]))
    print(os.getpid(), time.monotonic(), flush=True)
"""
# The same with a child process, as the trainer starts one for every further GPU.
TWO_PROCESSES = f"""
import subprocess, sys
from ecgpipe.gpus import reserve_gpus
with reserve_gpus(2):
    subprocess.run([sys.executable, "-c", {HOLDER!r}, "2", "60"])
"""


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A machine with three mock GPUs, its own locks and no assignment from outside."""
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
    """Wait until a process has GPUs; returns the time and the GPUs."""
    _, moment, *mine = process.stdout.readline().split()
    return float(moment), mine


@pytest.mark.parametrize(
    "chosen, usable",
    [
        (None, list(UUIDS)),
        ("", []),
        ("-1", []),
        ("2,0", [UUIDS[2], UUIDS[0]]),
        ("1,7,0", [UUIDS[1]]),  # CUDA stops at the first unknown number
        ("GPU-9f,0", [UUIDS[2], UUIDS[0]]),
        ("MIG-77", ["MIG-77"]),
        ("0,0", [UUIDS[0]]),
    ],
)
def test_visible_gpus(machine, monkeypatch, chosen, usable):
    if chosen is not None:
        monkeypatch.setenv(gpus.VISIBLE, chosen)
    assert visible_gpus() == usable


@pytest.mark.parametrize(
    "resources, count",
    [({}, 0), ({"gpu": 2}, 2), ({"gres": "gpu"}, 1), ({"gres": "gpu:3"}, 3), ({"gres": "gpu:a100:2"}, 2)],
)
def test_requested_gpus(resources, count):
    assert requested_gpus(resources) == count
    assert requested_gpus({}, default=1) == 1


def test_processes_do_not_share_a_gpu(machine):
    processes = [start("1", "0.3") for _ in range(6)]
    spans: dict[str, list[tuple[float, float]]] = {}
    for process in processes:
        first, last = (line.split() for line in process.communicate(timeout=60)[0].splitlines())
        spans.setdefault(first[2], []).append((float(first[1]), float(last[1])))
    assert set(spans) <= set(UUIDS)  # that all are used is shown with all_taken
    for each in map(sorted, spans.values()):
        assert all(end <= start for (_, end), (start, _) in pairwise(each)), spans


def test_the_gpu_of_a_killed_process_is_free(machine, monkeypatch):
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


def test_gpus_of_a_training_are_reserved_until_its_last_process_ends(machine, monkeypatch):
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


def test_processes_that_need_two_of_three_gpus_do_not_deadlock(machine):
    processes = [start("2", "0.2") for _ in range(4)]
    for process in processes:
        assert len(process.communicate(timeout=60)[0].splitlines()[0].split()) == 4
        assert process.returncode == 0


def test_a_request_for_none_hides_all(machine):
    with reserve_gpus(0) as mine:
        assert mine == [] and os.environ[gpus.VISIBLE] == ""
    assert gpus.VISIBLE not in os.environ


def test_a_request_for_too_many_is_an_error(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0,1")
    with pytest.raises(ConfigError, match=r"3 GPUs are requested, .* 2 \(GPU-1a2b-00, GPU-1a3c-01\)"), reserve_gpus(3):
        pass


def test_a_lock_that_cannot_be_opened_is_named(machine):
    (machine / "locks").mkdir()
    (machine / "locks" / f"{UUIDS[0]}.lock").symlink_to("elsewhere")
    with pytest.raises(EcgpipeError, match=rf"{UUIDS[0]}\.lock: the lock of a GPU cannot be opened"), reserve_gpus(1):
        pass


def test_other_users_can_open_the_locks(machine):
    before = os.umask(0o077)
    try:
        with reserve_gpus(1):
            pass
    finally:
        os.umask(before)
    assert (machine / "locks").stat().st_mode & 0o7777 == 0o1777
    assert next((machine / "locks").iterdir()).stat().st_mode & 0o777 == 0o644


def test_a_machine_without_gpus_does_not_wait(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "none")
    with reserve_gpus(2) as mine:
        assert mine == [] and gpus.VISIBLE not in os.environ


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "LOCAL_RANK"])
@pytest.mark.parametrize("visible", ["5", None])
def test_gpus_assigned_by_others_are_left_alone(machine, monkeypatch, name, visible):
    monkeypatch.setenv(name, "0")
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    for count in (0, 1, 9):
        with reserve_gpus(count) as mine:
            assert mine == [] and os.environ.get(gpus.VISIBLE) == visible
    assert not (machine / "locks").exists()


@pytest.fixture
def all_taken(machine):
    """Other processes have reserved every GPU."""
    holders = [start("1", "60") for _ in UUIDS]
    assert {taken(holder)[1][0] for holder in holders} == set(UUIDS)
    yield
    for holder in holders:
        holder.kill()
        holder.wait()


def test_without_waiting_all_are_reserved_or_none(machine, caplog):
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


def test_a_warning_is_logged_if_no_gpu_is_free(all_taken, caplog):
    with reserve_gpus(1, wait=False) as mine:
        assert mine == [] and os.environ[gpus.VISIBLE] == ""
    assert gpus.VISIBLE not in os.environ
    assert [record.message for record in caplog.records] == [
        f"no GPU is free ({', '.join(UUIDS)} are in use); running on the CPU"
    ]


def test_no_warning_without_gpus(machine, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "none")
    with reserve_gpus(1, wait=False) as mine:
        assert mine == [] and gpus.VISIBLE not in os.environ and not caplog.records


COMMANDS = {
    "predict": ["predict", "photo.jpg"],
    "serve": ["serve", "model"],
    "card": ["card", "run"],
}


@pytest.fixture
def seen(monkeypatch, tmp_path) -> list[str | None]:
    """The GPUs that are visible to each command; its files exist."""
    found: list[str | None] = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").touch()
    monkeypatch.setattr("ecgpipe.cli.predict.read_model", lambda args: SimpleNamespace(classes=()))
    monkeypatch.setattr("ecgpipe.artifacts.runs.RunConfig.read", lambda run: None)
    for name in COMMANDS:
        module = "predict" if name in ("predict", "serve") else "models"
        monkeypatch.setattr(f"ecgpipe.cli.{module}._{name}", lambda *_: found.append(os.environ.get(gpus.VISIBLE)))
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reserves_a_gpu(machine, seen, command):
    with reserve_gpus(1):
        os.environ.pop(gpus.RESERVED)  # as another process
        os.environ.pop(gpus.VISIBLE)
        assert main(COMMANDS[command]) == 0
        assert seen == [UUIDS[1]]
        os.environ |= {gpus.RESERVED: UUIDS[0], gpus.VISIBLE: UUIDS[0]}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_uses_the_cpu_if_no_gpu_is_free(all_taken, seen, command, caplog):
    assert main(COMMANDS[command]) == 0
    assert seen == [""]
    assert "no GPU is free" in caplog.text


def test_gpus_are_listed_by_the_driver_without_nvidia_smi(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.setattr(gpus, "DRIVER", machine / "driver")
    for number, name in enumerate(("GPU-00aa", "GPU-00bb")):
        folder = machine / "driver" / f"0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t A card\nGPU UUID: \t {name}\nBus Type: \t PCIe\n")
    assert visible_gpus() == ["GPU-00aa", "GPU-00bb"]


def test_every_script_that_may_use_a_gpu_reserves_it():
    """And its rule requests one."""
    resources = read_rule_resources(PROJECT / "profiles/default")
    users = set()
    for script in (PROJECT / "scripts").glob("*.py"):
        files = (PROJECT / "src" / Path(*module.split(".")).with_suffix(".py") for module in closure(script))
        if any("torch.cuda.is_available()" in file.read_text() for file in files if file.is_file()):
            users.add(script.stem)
            assert "reserve_gpus(" in script.read_text(), script.name
            assert resources[script.stem]["gpu"] >= 1
    assert {"train", "predict"} <= users
