"""GPUs of a machine without a scheduler: each process reserves its own by file locks, released when it ends."""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ecgpipe.errors import ConfigError, EcgpipeError

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
RESERVED = "ECGPIPE_GPUS"  # the GPUs of the first process of a run, for its other processes (DDP)
LOCKS = "ECGPIPE_GPU_LOCKS"  # sets another folder for the locks
DEFAULT_LOCKS = "/tmp/ecgpipe-gpus"  # not TMPDIR: all processes must see the same locks
DRIVER = Path("/proc/driver/nvidia/gpus")
SECONDS_BETWEEN_TRIES = 1.0
SECONDS_BETWEEN_MESSAGES = 300


def requested_gpus(resources: Mapping[str, Any], default: int = 0) -> int:
    """Number of GPUs in a rule's resources: `gpu: 2`, `gres: gpu:2` or `gres: gpu:a100:2`; else the default."""
    gres = str(resources.get("gres") or "")
    if gres.startswith("gpu"):
        last = gres.split(":")[-1]
        return int(last) if last.isdigit() else 1
    requested = resources.get("gpu")
    return default if requested is None else int(requested)


def visible_gpus() -> list[str]:
    """UUIDs of the GPUs that this process may use: those in CUDA_VISIBLE_DEVICES if it is set, else all.

    Numbers in CUDA_VISIBLE_DEVICES are in the order of nvidia-smi. Ids that are neither a number nor a UUID in the
    driver's list (a part of a GPU: MIG-...) are kept. Supports only NVIDIA GPUs.
    """
    listed = _listed()
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return listed
    visible = []
    for name in filter(None, map(str.strip, chosen.split(","))):
        if name == "-1" or (name.isdigit() and listed and int(name) >= len(listed)):
            break  # CUDA also ignores everything after it
        if name.isdigit() and listed:
            name = listed[int(name)]
        visible.append(next((full for full in listed if name.startswith("GPU-") and full.startswith(name)), name))
    return list(dict.fromkeys(visible))


@contextmanager
def reserve_gpus(count: int, *, wait: bool = True) -> Iterator[list[str]]:
    """Reserve GPUs for this process and its children; they see no others.

    Must be entered before CUDA is initialised. There is one lock file per GPU in /tmp/ecgpipe-gpus (or
    ECGPIPE_GPU_LOCKS), for all users of the machine; the kernel releases a lock however the process ends. Other
    programs do not respect these locks.

    Does nothing in a Slurm job and in processes started by torchrun or the like, which assign GPUs themselves. Other
    processes that a run starts share the GPUs of the first.

    Args:
        count: number of GPUs; 0 hides all.
        wait: wait until they are free; if false and they are not free, log a warning and hide all.

    Yields:
        UUIDs of the GPUs; empty if the machine has none, none is free, or another program assigns them.

    Raises:
        ConfigError: the machine has GPUs, but fewer.
        EcgpipeError: a lock file cannot be opened.
    """
    if "SLURM_JOB_ID" in os.environ or ("LOCAL_RANK" in os.environ and RESERVED not in os.environ):
        yield []
        return
    with ExitStack() as held:
        if os.environ.get(RESERVED):
            gpus = os.environ[RESERVED].split(",")
            for gpu in gpus:
                _share(gpu, held)
            yield gpus
            return
        usable = visible_gpus() if count else []
        gpus = _take(count, usable, held, wait)
        if gpus:
            logger.info("GPUs of this process: %s", ", ".join(gpus))
            held.enter_context(_environment({VISIBLE: ",".join(gpus), RESERVED: ",".join(gpus)}))
        elif usable or not count:
            held.enter_context(_environment({VISIBLE: ""}))
        yield gpus


def _listed() -> list[str]:
    """UUIDs of this machine's GPUs in the order of nvidia-smi; from the driver if that program is missing."""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            return re.findall(r"^GPU-\S+", done.stdout, re.M) if done.returncode == 0 else []
    texts = [file.read_text() for file in sorted(DRIVER.glob("*/information"))]
    return [match[1] for text in texts if (match := re.search(r"(GPU-[0-9a-f-]+)", text))]


def _take(count: int, usable: list[str], held: ExitStack, wait: bool) -> list[str]:
    """Lock GPUs until `held` is closed; empty if `usable` is, or if none is free and `wait` is false."""
    if not usable:
        return []
    if count > len(usable):
        raise ConfigError(
            f"{count} GPUs are requested, but this process may use {len(usable)} ({', '.join(usable)}): "
            f"lower the rule's `gpu` in the profile (or --devices), or set {VISIBLE} to more"
        )
    last_message = -float("inf")
    while True:
        with ExitStack() as mine:
            locked = []
            for gpu in usable:
                if len(locked) < count and _lock(gpu, mine):
                    locked.append(gpu)
            if len(locked) == count:
                held.push(mine.pop_all())
                return locked
        # release what was locked: two processes that wait for each other's second GPU would wait forever
        if not wait:
            logger.warning("no GPU is free (%s are in use); running on the CPU", ", ".join(usable))
            return []
        if time.monotonic() - last_message > SECONDS_BETWEEN_MESSAGES:
            last_message = time.monotonic()
            logger.info("waiting for %d of the GPUs %s, which are in use (%s)", count, ", ".join(usable), _folder())
        time.sleep(SECONDS_BETWEEN_TRIES * (1 + os.getpid() % 8 / 8))  # processes should not retry all at once


def _lock(gpu: str, held: ExitStack) -> bool:
    """Lock a GPU if it is free. Its owner has a shared lock, so that all processes of one run can have one."""
    import fcntl

    file = _open(gpu)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # two steps: another process may take it in between, which is an error here
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    held.callback(os.close, file)
    return True


def _share(gpu: str, held: ExitStack) -> None:
    """Also lock a GPU of the parent process, so that it is not free if only the parent is killed."""
    import fcntl

    file = _open(gpu)
    held.callback(os.close, file)
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _folder() -> Path:
    return Path(os.environ.get(LOCKS) or DEFAULT_LOCKS)


def _open(gpu: str) -> int:
    """The GPU's lock file, which any user may have created. It is never deleted or written to."""
    folder = _folder()
    path = folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}.lock"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o1777)
    except FileExistsError:
        pass  # another process created it
    try:
        with contextlib.suppress(FileExistsError):
            new = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            os.fchmod(new, 0o644)  # independent of the umask: other users must be able to open it
            os.close(new)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise EcgpipeError(
            f"{path}: the lock of a GPU cannot be opened ({error.strerror}); delete it, or set {LOCKS} to a folder "
            "that all users of this machine's GPUs can write to"
        ) from None


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
