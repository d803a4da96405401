"""The workflow that faults are injected into: start, watch and kill it, and compare its results."""

import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

from tests.conftest import PROJECT
from tests.workflow.conftest import ENVIRONMENT, copy_project

HERE = Path(__file__).resolve().parent
STAGES = (("pages", "results/ptb-xl/labels.parquet"), ("images", "splits", "audits"), ("models",), ("all",))
"""Targets, in order: a fault strikes on the way from one to the next."""
MEASURED = {
    "seconds", "seconds_this_time", "processor_seconds", "joules_this_time", "images_per_second", "peak_memory_mb",
    "peak_gpu_bytes", "resumed",
}  # fmt: skip
"""Keys of files that differ between any two runs: measured times and memory."""
TIMED = re.compile(
    r"(^|/)(logs|benchmarks|tensorboard|checkpoints|\.checksums)/|/report/(index\.html|report\.json|tables/(times|trainings|learning-[^/]*)\.|figures/learning-)|/model/README\.md$"
)
LEFT_OVER = re.compile(r"\.partial|\.part$|\.part\.json$|\.download$|/checkpoints/")


class Quiet(SimpleHTTPRequestHandler):
    """A silent file server, slow enough to be interrupted."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        while chunk := source.read(1 << 16):
            outputfile.write(chunk)
            time.sleep(0.02)


class Shared(ThreadingHTTPServer):
    """Several of these tests may run in one folder at a time, with one address."""

    allow_reuse_port = True


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Serve a folder on the loopback address, in a thread."""
    server = Shared(("127.0.0.1", port), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class World:
    """A copy of the project and the results of its runs.

    Args:
        folder: of the copy.
        address: of the dataset's archive.
        sha256: of the archive.
    """

    folder: Path
    address: str
    sha256: str

    @property
    def scratch(self) -> Path:
        """Folder for temporary files of its processes."""
        return self.folder.parent / f"{self.folder.name}.tmp"

    def copy(self, folder: Path) -> "World":
        """A copy elsewhere, with all modification times."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return World(folder, self.address, self.sha256)

    def start(self, *targets: str) -> "Run":
        """Start Snakemake in a session of its own."""
        self.scratch.mkdir(exist_ok=True)
        source = f"ptb_xl={{source: null, url: '{self.address}', sha256: {self.sha256}, shard_size: 11000}}"
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets, "--configfile", "faults.yaml"]
        said = self.folder / "said.txt"
        with open(said, "w") as out:
            process = subprocess.Popen(
                [*command, "--config", source], cwd=self.folder, start_new_session=True, stdout=out, stderr=out,
                env=ENVIRONMENT | {"TMPDIR": str(self.scratch)},
            )  # fmt: skip
        return Run(process, said)

    def finish(self, *targets: str) -> tuple[int, str]:
        """Run to the end; returns exit status and output."""
        run = self.start(*targets)
        run.process.wait(900)
        return run.process.returncode, run.text

    def check(self) -> tuple[int, str]:
        """Run `ecgpipe check` on the results; returns exit status and output."""
        command = [sys.executable, "-m", "ecgpipe", "check", "results"]
        environment = ENVIRONMENT | {"PYTHONPATH": str(PROJECT / "src")}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout

    def files(self, below: str = "results") -> list[Path]:
        """All files."""
        top = self.folder / below
        return sorted(path for path in top.rglob("*") if path.is_file()) if top.exists() else []

    def digest(self) -> dict[str, str]:
        """File -> hash of its content without measured times."""
        found = {}
        for path in self.files():
            name = path.relative_to(self.folder).as_posix()
            if not TIMED.search(name) and not LEFT_OVER.search(name):
                found[name] = hashlib.sha256(_timeless(path)).hexdigest()
        return found

    def left_over(self) -> list[str]:
        """Temporary files and locks that remain."""
        places = [self.folder / "results", self.folder / "resources", self.folder / ".snakemake/locks", self.scratch]
        found = [path for place in places if place.exists() for path in place.rglob("*")]
        names = [path.relative_to(self.folder.parent).as_posix() for path in found]
        mine = (f"{self.folder.name}/.snakemake/locks/", f"{self.scratch.name}/")
        found_names = [name for name in names if LEFT_OVER.search(name) or name.startswith(mine)]
        # not those of PyTorch's cache and of a killed Snakemake
        return [name for name in found_names if not re.search(r"\.tmp/(torchinductor_|snakemake\w{8}(/|$))", name)]

    def remove(self) -> None:
        """Delete the copy, including mounts and read-only files."""
        subprocess.run(["umount", "-l", str(self.folder / "results")], capture_output=True)
        subprocess.run(["chattr", "-R", "-f", "-i", str(self.folder)], capture_output=True)
        for folder in (self.folder, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)


def _timeless(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without(json.loads(content)), sort_keys=True).encode()
    if path.name == "history.csv":
        return repr([_without(row) for row in csv.DictReader(content.decode().splitlines())]).encode()
    return content


def _without(value):
    if isinstance(value, dict):
        keys = sorted(set(value) - MEASURED)
        return {key: _without(value[key]) for key in keys}
    return [_without(each) for each in value] if isinstance(value, list) else value


@dataclass
class Run:
    """A running Snakemake."""

    process: subprocess.Popen
    said: Path

    @property
    def text(self) -> str:
        """Its output so far."""
        return self.said.read_text(errors="replace")

    @property
    def jobs(self) -> tuple[int, int]:
        """Number of jobs done, and in total (0 until it is known)."""
        done = re.findall(r"^(\d+) of (\d+) steps", self.text, re.M)
        total = re.search(r"^total +(\d+)", self.text, re.M)
        return (int(done[-1][0]) if done else 0), int(total[1]) if total else 0

    def alive(self) -> bool:
        """Whether it is running."""
        return self.process.poll() is None

    def wait_for(self, condition, seconds: float = 600) -> bool:
        """Wait for a condition; False if the run ends first."""
        end = time.monotonic() + seconds
        while self.alive() and time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.02)
        return False

    def workers(self, script: str = "") -> list[psutil.Process]:
        """Processes of its jobs, or of one script."""
        found = []
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                line = " ".join(child.cmdline())
                if "python" in line and re.search(rf"\.snakemake/scripts/\S*{re.escape(script)}", line):
                    found.append(child)
        except psutil.Error:
            pass
        return found

    def kill_all(self) -> None:
        """Send SIGKILL to it and all its jobs."""
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self) -> int:
        """Wait until it ends."""
        return self.process.wait(900)


def make_base(work: Path, records: int = 80) -> tuple[World, ThreadingHTTPServer, list[dict[str, str]]]:
    """Run without faults, with a copy of its state at each stage in ``work/stage-<n>`` (reused if it exists).

    Returns:
        The world at the start, the server of its archive, and the digest of the results after each stage.
    """
    served = work / "served"
    if not (served / "ptb-xl.zip").exists():
        copy_project(work / "stage-0")
        shutil.copy2(HERE / "faults.yaml", work / "stage-0" / "faults.yaml")
        (work / "stage-0" / "results").mkdir()
        simulate = [sys.executable, "-m", "ecgpipe", "simulate", str(work / "raw"), "--records", str(records)]
        environment = ENVIRONMENT | {"PYTHONPATH": str(work / "stage-0" / "src")}
        subprocess.run([*simulate, "--seed", "3"], cwd=work, env=environment, check=True, capture_output=True)
        served.mkdir()
        shutil.make_archive(str(served / "ptb-xl"), "zip", work, "raw")
        shutil.rmtree(work / "raw")
        port = serve(served)  # the port is part of the parameters, so all runs use the same
        (work / "port").write_text(str(port.server_port))
        port.shutdown()
        port.server_close()
    number = int((work / "port").read_text())
    server = serve(served, number)
    sha256 = hashlib.sha256((served / "ptb-xl.zip").read_bytes()).hexdigest()
    world = World(work / "stage-0", f"http://127.0.0.1:{number}/ptb-xl.zip", sha256)
    digests = []
    for stage, targets in enumerate(STAGES):
        after = work / f"stage-{stage + 1}"
        if not (work / f"digest-{stage + 1}.json").exists():
            shutil.rmtree(after, ignore_errors=True)
            next_world = World(work / f"stage-{stage}", world.address, sha256).copy(after)
            status, said = next_world.finish(*targets)
            if status:
                sys.exit(f"the run without faults failed on the way to {' '.join(targets)}:\n{said[-4000:]}")
            (work / f"digest-{stage + 1}.json").write_text(json.dumps(next_world.digest()))
        digests.append(json.loads((work / f"digest-{stage + 1}.json").read_text()))
    return world, server, digests
