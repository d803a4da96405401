"""Time and peak memory of the steps that process the whole dataset: records, labels, splits, and Snakemake's plan.

    python -m benchmarks.scale DIR --records 218370

Simulates the records into DIR/raw unless they exist, then runs each step in its own process, one at a time, and prints
a table; DIR/scale.json contains the same figures. No images are rendered for the splits: synthetic index tables replace
them.
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
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "config.yaml", "config", "rules", "scripts", "envs", "profiles", "report", "src")
PROTOCOLS = ("paper", "patient", "folds")
SAMPLING_RATE, SHARD_SIZE = 100, 1000
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT / "src")}


def simulate(folder: Path, records: int, workers: int) -> str:
    """Simulate the records."""
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.progress import progress_counter

    progress = progress_counter("simulate")
    simulate_dataset(folder / "raw", records=records, seed=1, workers=workers, progress=progress)
    return f"{records} records"


def listing(folder: Path) -> str:
    """records.parquet, as in the rule ``records``."""
    from ecgpipe.acquire.ptbxl import list_ptbxl_records
    from ecgpipe.artifacts.tables import RECORDS

    records, problems = list_ptbxl_records(folder / "raw", SAMPLING_RATE, SHARD_SIZE)
    RECORDS.write(records, folder / "records.parquet")
    return f"{len(records)} records, {len(problems)} problems"


def labels(folder: Path) -> str:
    """labels.parquet, as in the rule ``labels``."""
    from ecgpipe.acquire.labels import make_labels, read_grouping
    from ecgpipe.artifacts.tables import RECORDS
    from ecgpipe.config.data import LabelsConfig

    records = RECORDS.read(folder / "records.parquet")
    config = LabelsConfig(policy="primary")
    made, counts = make_labels(records, *read_grouping(folder / "raw", config.grouping), config)
    made.write(folder / "labels.parquet")
    return f"{counts.kept} kept: " + ", ".join(f"{name} {count}" for name, count in counts.classes.items())


def split(folder: Path, protocol: str) -> str:
    """One split, as in the rule ``split``."""
    from ecgpipe.artifacts.tables import RECORDS, SPLIT, Labels
    from ecgpipe.config.data import SplitConfig
    from ecgpipe.split.protocols import split_table

    records = RECORDS.read(folder / "records.parquet")
    indices = [rows[["record_id"]] for _, rows in records.groupby("shard")]
    made = Labels.read(folder / "labels.parquet")
    table, counts = split_table(protocol, records, made, indices, SplitConfig(), 0)
    SPLIT.write(table, folder / f"{protocol}.parquet")
    return f"{counts['records']}, patients on two sides: {counts['leaks']['patient']} records"


def raw_file_hashes(folder: Path) -> str:
    """Hashes of all signal files, which the plan requires."""
    from ecgpipe.acquire.datasets import make_dataset
    from ecgpipe.config.data import PtbXlConfig

    config = PtbXlConfig(source=str(folder / "raw"), sampling_rate=SAMPLING_RATE, shard_size=SHARD_SIZE)
    dataset = make_dataset("ptb-xl", config, "results", "resources")
    return f"{len({dataset.raw_files_hash(shard) for shard in dataset.shards()})} shards"


def plan(folder: Path) -> str:
    """``snakemake -n splits`` in a copy of the project."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    for part in PARTS:
        source = PROJECT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, project / part)
    command = [sys.executable, "-m", "snakemake", "-n", "splits", "--cores", "1", "--config", "datasets=[ptb-xl]"]
    command.append(f"ptb_xl={{source: {(folder / 'raw').resolve()}, shard_size: {SHARD_SIZE}}}")
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-4000:])
    return f"{re.search(r'^total +([0-9]+)', done.stdout + done.stderr, re.M)[1]} jobs planned"


STEPS = {
    "simulate": simulate,
    "records": listing,
    "labels": labels,
    **{f"split {protocol}": split for protocol in PROTOCOLS},
    "hashes": raw_file_hashes,
    "plan": plan,
}


def run_step(name: str, arguments: argparse.Namespace) -> None:
    """Run a step in this process and print its figures as one line of JSON."""
    options = {"simulate": (arguments.records, arguments.workers)}.get(name, ())
    if name.startswith("split "):
        options = (name.removeprefix("split "),)
    start = time.perf_counter()
    result = STEPS[name](arguments.folder, *options)
    seconds = time.perf_counter() - start
    # the largest single process: this one or Snakemake
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(sum(used.ru_utime + used.ru_stime for used in usage), 2),
        "peak_mb": round(max(used.ru_maxrss for used in usage) / 1024),
    }
    print(json.dumps({"step": name, **figures, "result": result}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="working folder; requires about 30 KB per record")
    parser.add_argument("--records", type=int, default=21837, help="number of records (default 21837, as in PTB-XL)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the simulation (default 1)")
    parser.add_argument("--step", choices=STEPS, action="append", help="only this step; repeatable")
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_step(arguments.child, arguments)
        return
    steps = arguments.step or list(STEPS)
    if (arguments.folder / "raw" / "ptbxl_database.csv").exists():
        steps = [step for step in steps if step != "simulate"]
    rows = []
    print(f"{'step':15} {'seconds':>9} {'CPU s':>9} {'peak MB':>8}  result")
    for step in steps:
        command = [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:], "--child", step]
        done = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{step} failed")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print("{step:15} {seconds:9.2f} {cpu_seconds:9.2f} {peak_mb:8d}  {result}".format(**rows[-1]), flush=True)
    (arguments.folder / "scale.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
