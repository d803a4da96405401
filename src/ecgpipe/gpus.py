"""GPUs of a machine without a scheduler: each process gets its own, by locks that the kernel drops when it ends."""

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
HELD = "ECGPIPE_GPUS"  # tells the processes of one training (DDP) which GPUs the first of them chose
LOCKS = "ECGPIPE_GPU_LOCKS"  # another folder for the locks
DEFAULT_LOCKS = "/tmp/ecgpipe-gpus"  # not TMPDIR, which may differ between shells: all must see the same locks
DRIVER = Path("/proc/driver/nvidia/gpus")
SECONDS_BETWEEN_TRIES = 1.0
SECONDS_BETWEEN_WORDS = 300


def requested_gpus(resources: Mapping[str, Any], default: int = 0) -> int:
    """GPUs that a rule's resources ask for: `gpu: 2`, `gres: gpu:2` or `gres: gpu:a100:2`; the default if neither."""
    gres = str(resources.get("gres") or "")
    if gres.startswith("gpu"):
        last = gres.split(":")[-1]
        return int(last) if last.isdigit() else 1
    asked = resources.get("gpu")
    return default if asked is None else int(asked)


def visible_gpus() -> list[str]:
    """Ids of the GPUs that this process may use: those in CUDA_VISIBLE_DEVICES if it is set, else all of the machine.

    Ids are UUIDs, which mean the same GPU to every process. Numbers in CUDA_VISIBLE_DEVICES are taken as nvidia-smi
    counts. What is neither a number nor a UUID of the driver's list (a part of a GPU: MIG-...) is kept as it is.
    Only NVIDIA's GPUs are known here.
    """
    listed = _listed()
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return listed
    found = []
    for name in filter(None, map(str.strip, chosen.split(","))):
        if name == "-1" or (name.isdigit() and listed and int(name) >= len(listed)):
            break  # as CUDA does: nothing after it counts
        if name.isdigit() and listed:
            name = listed[int(name)]
        found.append(next((full for full in listed if name.startswith("GPU-") and full.startswith(name)), name))
    return list(dict.fromkeys(found))


@contextmanager
def reserve_gpus(count: int, *, wait: bool = True) -> Iterator[list[str]]:
    """Let this process and those that it starts see so many GPUs, which no other block of this kind has.

    Must begin before anything asks CUDA what there is. GPUs are held by locks on files in /tmp/ecgpipe-gpus (or
    ECGPIPE_GPU_LOCKS), one a GPU, for all users of the machine; the kernel drops them however the process ends.
    Programs that know nothing of these locks are not kept away.

    Nothing is touched where somebody else assigns GPUs: in a Slurm job, and in processes that torchrun or its like
    started. The processes that a training starts itself share the GPUs of the first.

    Args:
        count: 0 hides all GPUs.
        wait: until so many are free; else, if they are not free now, a warning says so and all GPUs are hidden.

    Yields:
        Ids of the GPUs; none where there are none, where none is free and that is not waited for, or where they are
        not ours to choose.

    Raises:
        ConfigError: the machine has GPUs, but not so many.
        EcgpipeError: a lock cannot be opened.
    """
    if "SLURM_JOB_ID" in os.environ or ("LOCAL_RANK" in os.environ and HELD not in os.environ):
        yield []
        return
    with ExitStack() as held:
        if os.environ.get(HELD):
            gpus = os.environ[HELD].split(",")
            for gpu in gpus:
                _share(gpu, held)
            yield gpus
            return
        usable = visible_gpus() if count else []
        gpus = _take(count, usable, held, wait)
        if gpus:
            logger.info("GPUs of this process: %s", ", ".join(gpus))
            held.enter_context(_environment({VISIBLE: ",".join(gpus), HELD: ",".join(gpus)}))
        elif usable or not count:
            held.enter_context(_environment({VISIBLE: ""}))
        yield gpus


def _listed() -> list[str]:
    """UUIDs of this machine's GPUs in nvidia-smi's order; from the driver where that program is missing."""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            return re.findall(r"^GPU-\S+", done.stdout, re.M) if done.returncode == 0 else []
    texts = [file.read_text() for file in sorted(DRIVER.glob("*/information"))]
    return [match[1] for text in texts if (match := re.search(r"(GPU-[0-9a-f-]+)", text))]


def _take(count: int, usable: list[str], held: ExitStack, wait: bool) -> list[str]:
    """So many of the usable GPUs, locked until `held` is closed; none if there are none, or none to wait for."""
    if not usable:
        return []
    if count > len(usable):
        raise ConfigError(
            f"{count} GPUs are asked for; this machine lets this process use {len(usable)} ({', '.join(usable)}): "
            f"lower the rule's `gpu` in the profile (or --devices), or set {VISIBLE} to more"
        )
    told = -float("inf")
    while True:
        with ExitStack() as mine:
            got = []
            for gpu in usable:
                if len(got) < count and _lock(gpu, mine):
                    got.append(gpu)
            if len(got) == count:
                held.push(mine.pop_all())
                return got
        # those that were got are free again: two that wait for each other's second GPU would wait forever
        if not wait:
            logger.warning("no GPU is free (others hold %s), so this runs on the processor", ", ".join(usable))
            return []
        if time.monotonic() - told > SECONDS_BETWEEN_WORDS:
            told = time.monotonic()
            logger.info("waiting for %d of the GPUs %s: others hold them (%s)", count, ", ".join(usable), _folder())
        time.sleep(SECONDS_BETWEEN_TRIES * (1 + os.getpid() % 8 / 8))  # not all at once


def _lock(gpu: str, held: ExitStack) -> bool:
    """Take a GPU if nobody has it. Whoever has it holds a shared lock, so that all processes of one training can."""
    import fcntl

    file = _open(gpu)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # not one step: another may come between, and then has it
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    held.callback(os.close, file)
    return True


def _share(gpu: str, held: ExitStack) -> None:
    """Hold a GPU that the process which started this one holds, lest it be free when that one alone is killed."""
    import fcntl

    file = _open(gpu)
    held.callback(os.close, file)
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _folder() -> Path:
    return Path(os.environ.get(LOCKS) or DEFAULT_LOCKS)


def _open(gpu: str) -> int:
    """The GPU's lock file, which any user may have made; it is never deleted, and nothing is written to it."""
    folder = _folder()
    path = folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}.lock"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o1777)
    except FileExistsError:
        pass  # another made it just now
    try:
        with contextlib.suppress(FileExistsError):
            new = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            os.fchmod(new, 0o644)  # whatever the umask is: other users must be able to open it
            os.close(new)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise EcgpipeError(
            f"{path}: the lock of a GPU cannot be opened ({error.strerror}); delete it, or set {LOCKS} to a folder "
            "that all who use this machine's GPUs can write to"
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
