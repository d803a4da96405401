"""ecgpipe doctor"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ecgpipe.cli.colour import paint
from ecgpipe.cli.command import Arguments, Command
from ecgpipe.errors import EcgpipeError

# Measured on 3,765 records: 148 kB of pages and 49 kB of images a record; the rest is room for runs and tables.
WANTED_DISK_MB = 8000


def run(args: Arguments) -> None:
    """Tell what this machine or cluster has, what a profile asks for, and what does not fit."""
    from ecgpipe.doctor.machine import faults_of_machine, look_at_machine
    from ecgpipe.doctor.partitions import cluster_settings, faults_of_status, list_partitions
    from ecgpipe.doctor.profile import (
        faults_of_profile,
        faults_on_cluster,
        faults_on_machine,
        gpus_of_machine,
        read_profile,
        requests,
        stated_in_rules,
    )

    machine = look_at_machine(args.results)
    profile = read_profile(args.profile)
    wanted = requests(profile, stated_in_rules(args.profile))
    on_cluster = profile.get("executor") == "slurm"
    partitions, settings = (list_partitions(), cluster_settings()) if on_cluster else ({}, {})
    faults = faults_of_profile(profile, wanted) + faults_of_machine(machine)
    hints = [f"{request.rule}: not checked: {key}" for request in wanted for key in request.unread]
    if on_cluster:
        faults += faults_on_cluster(wanted, partitions) + faults_of_status(profile, settings)
    else:
        at_a_time, there = gpus_of_machine(profile), len(machine.gpus)
        faults += faults_on_machine(wanted, machine, at_a_time)
        if at_a_time is not None and at_a_time < there:
            hints.append(f"jobs may use {at_a_time} of {there} GPUs at a time; all with --resources gpu={there}")
    if machine.disk_free_mb < WANTED_DISK_MB:
        faults.append(
            f"disk: {machine.disk_free_mb} MB free at {args.results}; the whole benchmark wants {WANTED_DISK_MB}"
        )
    faults += [f"package {name}: not installed" for name in _missing(machine.packages, on_cluster)]
    if args.json:
        found = {
            "machine": machine.as_dict(),
            "slurm": settings.get("SLURM_VERSION"),
            "partitions": [asdict(partition) for partition in partitions.values()],
            "requests": [asdict(request) for request in wanted],
            "faults": faults,
            "hints": hints,
        }
        print(json.dumps(found, indent=1))
    else:
        _print(machine, settings.get("SLURM_VERSION"), partitions.values(), wanted)
        wrong = paint("does not fit", "red", sys.stdout)
        print("\n".join(["", *(f"note: {hint}" for hint in hints), *(f"{wrong}: {fault}" for fault in faults)]))
        if not faults:
            print(paint("everything fits", "green", sys.stdout))
    if faults:
        raise EcgpipeError(f"{len(faults)} things do not fit; edit {args.profile} or choose another machine")


def _missing(packages: dict[str, str | None], on_cluster: bool) -> list[str]:
    return [
        name
        for name, version in packages.items()
        if version is None and (on_cluster or name != "snakemake-executor-plugin-slurm")
    ]


def _print(machine, slurm, partitions, wanted) -> None:
    print(f"{machine.system}, Python {machine.python}")
    print(f"{machine.cores} cores, {machine.memory_mb} MB of memory, {machine.disk_free_mb} MB free on disk")
    gpus = ", ".join(f"{name} ({memory} MB)" for name, memory in machine.gpus) or "none that PyTorch sees"
    print(f"GPUs: {gpus}; PyTorch's CUDA: {machine.cuda or 'none'}")
    print(f"NVIDIA's driver: {machine.driver or 'none'}" + (f"; Slurm {slurm}" if slurm else ""))
    print("\n".join(f"  {name:34} {version or 'not installed'}" for name, version in machine.packages.items()))
    for partition in partitions:
        limit = f"{partition.minutes} minutes" if partition.minutes else "any time"
        size = f"{partition.cpus} CPUs, {partition.memory_mb} MB, GPUs {partition.gres}"
        print(f"partition {partition.name}: {limit}, {size}")
    print("\nasked for, at the first attempt:")
    for request in wanted:
        gpu = f", {request.gpus} GPU {request.gpu_model or ''}".rstrip() if request.gpus else ""
        where = f" in {request.partition}" if request.partition else ""
        time = f", {request.minutes} minutes" if request.minutes else ""
        print(f"  {request.rule:20} {request.threads} CPUs, {request.mem_mb} MB{time}{gpu}{where}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The profile, and where results go."""
    parser.add_argument("--profile", type=Path, default=Path("profiles/default"), metavar="FOLDER")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="whose disk is looked at"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


DOCTOR = Command(
    "doctor",
    run,
    add_arguments,
    """doctor
doctor --profile profiles/slurm""",
)
