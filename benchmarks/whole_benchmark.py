"""Snakemake's time for the whole benchmark: the plan, a run with nothing to do, the number of files, the cost per job.

    python -m benchmarks.whole_benchmark DIR

Both datasets, all nine variants, five seeds and all protocols, in a copy of the project in DIR. Nothing is computed:
outputs are empty files that ``snakemake --touch`` marks as done. The cost per job is measured with a
rule whose script only imports the library.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.scale import PARTS, PROJECT

WHOLE = """\
benchmark:
  ptb-xl: {protocols: [paper, patient, folds, unique], seeds: [0, 1, 2, 3, 4]}
  cardiac-images: {protocols: [paper, unique], seeds: [0, 1, 2, 3, 4]}
"""
FOLDERS = {"unpack_ptbxl", "unpack_cardiac_images", "download_ptbxl_files"}
EMPTY_JOBS = 40
EMPTY_RULE = """\
rule all:
    input: expand("{n}.txt", n=range(%d))
rule empty:
    output: "{n}.txt"
    params: code=1
    script: "empty.py"
"""


def snakemake(folder: Path, *arguments: str) -> tuple[str, dict]:
    """Run Snakemake; return its output, and time, CPU time and peak memory (of the largest process so far)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-4000:])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used, 1),
        "peak_mb": round(after.ru_maxrss / 1024),
    }
    return done.stdout + done.stderr, figures


def fake_outputs(folder: Path) -> Counter:
    """Create all outputs of the plan as empty files; return rule -> number of files."""
    listed, _ = snakemake(folder, "all", "--summary", "--configfile", "whole.yaml")
    counts: Counter = Counter()
    for line in listed.splitlines():
        cells = line.split("\t")
        if len(cells) == 6 and cells[0] != "output_file":
            path, rule = folder / cells[0], cells[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            if rule in FOLDERS or not path.suffix:
                path.mkdir(exist_ok=True)
            else:
                path.touch()
            counts[rule] += 1
    return counts


def cost_per_job(folder: Path) -> dict:
    """Seconds per job of a script that does nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "Snakefile").write_text(EMPTY_RULE % EMPTY_JOBS)
    (folder / "empty.py").write_text(
        f"import sys\nsys.path.insert(0, {str(PROJECT / 'src')!r})\nfrom ecgpipe.logs import job_log\n"
        "open(snakemake.output[0], 'w').close()\n"
    )
    _, figures = snakemake(folder, "all")
    return {key: round(figures[key] / EMPTY_JOBS, 2) for key in ("seconds", "cpu_seconds")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="working folder")
    folder = parser.parse_args().folder.resolve() / "whole"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in PARTS:
        source = PROJECT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part)
    (folder / "whole.yaml").write_text(WHOLE)
    output, plan = snakemake(folder, "-n", "all", "--configfile", "whole.yaml")
    counted = re.search(r"^total +([0-9]+)", output, re.M)
    assert counted is not None
    figures: dict = {"jobs": int(counted[1]), "plan": plan}
    print(json.dumps(figures), flush=True)
    files_by_rule = fake_outputs(folder)
    _, figures["marking all jobs as done"] = snakemake(folder, "all", "--touch", "--configfile", "whole.yaml")
    output, figures["nothing to do"] = snakemake(folder, "-n", "all", "--configfile", "whole.yaml")
    assert "Nothing to be done" in output, output[-3000:]
    _, figures["nothing to do, run"] = snakemake(folder, "all", "--configfile", "whole.yaml")
    figures["files"] = sum(files_by_rule.values())
    listed = [path.relative_to(folder) for path in (folder / "results/ptb-xl").rglob("*") if path.is_file()]
    before_runs = [
        path for path in listed if not any(part.startswith("seed-") and "." not in part for part in path.parts)
    ]
    figures["files of PTB-XL"], figures["of these before the runs"] = len(listed), len(before_runs)
    figures["files by rule"] = dict(files_by_rule)
    figures["a job that does nothing"] = cost_per_job(folder.parent / "empty")
    print(json.dumps(figures, indent=1))
    (folder.parent / "whole.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
