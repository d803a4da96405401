"""A real Slurm of one node on this machine, with simulated GPUs, started and stopped by the tests.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge (`make slurm-test` installs them). It has no
accounting: states of jobs come from squeue. Slurm reads /etc/slurm; a configuration that is there already, of a real
cluster, is never touched.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/etc/slurm")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol")
MUNGE_USER = "munge"

# cred_expire is also how long a requeued job waits before it starts again (120 s if not set).
CONFIG = """\
ClusterName=ecgpipe
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CryptoType=crypto/munge
MpiDefault=none
ReturnToService=2
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/none
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
MinJobAge=600
KillWait=5
OverTimeLimit=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 NodeHostname={host} CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 \
RealMemory=12000 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes={host} MaxTime=60 State=UP
"""


def missing() -> str:
    """Why a cluster cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "Slurm's daemons are started by root only"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (make slurm-test installs Debian's packages)"
    if (SYSTEM / "slurm.conf").exists() and not (SYSTEM / "slurm.conf").is_symlink():
        return f"{SYSTEM}/slurm.conf belongs to a real cluster"
    return ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Cluster:
    """A running cluster; its files and logs are in `folder`."""

    folder: Path

    def start(self) -> None:
        self._start_munge()
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        devices = [self.folder / f"gpu{number}" for number in range(4)]
        for number, device in enumerate(devices):  # character devices that Slurm can assign; nothing opens them
            os.mknod(device, 0o600 | 0o020000, os.makedev(195, number))
        config = CONFIG.format(host=host, folder=self.folder, port=free_port(), node_port=free_port())
        (self.folder / "slurm.conf").write_text(config)
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-3]\n")
        SYSTEM.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (SYSTEM / name).unlink(missing_ok=True)
            (SYSTEM / name).symlink_to(self.folder / name)
        subprocess.run(["slurmctld"], check=True)
        subprocess.run(["slurmd", "-N", host], check=True)
        self.wait_for(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%T", check=False), 30)

    def _start_munge(self) -> None:
        """A separate munge, beside any that the machine runs."""
        folder = self.folder / "munge"
        folder.mkdir()
        (folder / "key").write_bytes(os.urandom(1024))
        os.chmod(folder / "key", 0o400)
        shutil.chown(folder, MUNGE_USER, MUNGE_USER)
        shutil.chown(folder / "key", MUNGE_USER, MUNGE_USER)
        self.folder.chmod(0o755)  # munge reaches its socket as its own user
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        command = ["munged", "--force", *(f"--{option}={folder / name}" for option, name in options.items())]
        subprocess.run(["runuser", "-u", MUNGE_USER, "--", *command], check=True)

    def stop(self) -> None:
        """Stop the daemons that `start` started, jobs first; the system's configuration folder is unchanged."""
        self.call("scancel", "--user=root", check=False)
        with contextlib.suppress(TimeoutError, RuntimeError):  # a job's step daemon outlives the others
            self.wait_for(lambda: not self.jobs(), 30)
        for pid_file in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.folder / pid_file
            if path.is_file():
                subprocess.run(["kill", path.read_text().strip()], check=False)
        for name in ("slurm.conf", "gres.conf"):
            (SYSTEM / name).unlink(missing_ok=True)

    @staticmethod
    def call(*command: str, check: bool = True) -> str:
        done = subprocess.run(command, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def jobs(self, rule: str = "") -> dict[str, str]:
        """Slurm's number -> state of the jobs of a rule (of all rules, if not given) that have not ended."""
        listing = self.call("squeue", "--noheader", "--format=%i|%T|%k").splitlines()
        rows = [line.split("|", 2) for line in listing]
        return {number: state for number, state, comment in rows if f"rule_{rule}" in comment}

    @staticmethod
    def wait_for(condition, seconds: float):
        """The condition's value once it is true; fails after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.2)
        raise TimeoutError(f"not within {seconds} s: {condition}")
