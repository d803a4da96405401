"""Commands on the installation: doctor, bench, completion."""

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ecgpipe.cli.parser import Arguments, argument, command, paint
from ecgpipe.errors import EcgpipeError

# Measured on 3,765 records: 148 kB of pages and 49 kB of images per record; the rest is for runs and tables.
REQUIRED_DISK_MB = 8000


@command(
    argument(
        "--profile",
        type=Path,
        default=Path("profiles/default"),
        metavar="FOLDER",
        help="Snakemake profile (default profiles/default)",
    ),
    argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="folder of results; its disk is inspected (default results)",
    ),
    argument("--json", action="store_true", help="print JSON"),
    examples="""doctor
    doctor --profile profiles/slurm""",
)
def doctor(args: Arguments) -> None:
    """Compare the resources of this machine or cluster with what the rules and a profile request."""
    from ecgpipe.doctor import machine as machines
    from ecgpipe.doctor import profile as profiles

    machine = machines.inspect_machine(args.results)
    profile = profiles.read_profile(args.profile)
    requests = profiles.requests(profile, profiles.read_rule_resources(args.profile))
    faults = profiles.profile_faults(profile, requests) + machines.machine_faults(machine)
    hints = [f"{request.rule}: not checked: {key}" for request in requests for key in request.unread]
    on_cluster = profile.get("executor") == "slurm"
    partitions: dict[str, machines.Partition] = {}
    slurm = None
    if on_cluster:
        partitions, settings = machines.list_partitions(), machines.cluster_settings()
        slurm = settings.get("SLURM_VERSION")
        faults += profiles.cluster_faults(requests, partitions) + machines.status_command_faults(profile, settings)
    else:
        limit = profiles.gpu_limit(profile)
        faults += profiles.workstation_faults(requests, machine, limit)
        if limit is not None and limit < len(machine.gpus):
            hints.append(
                f"jobs may use {limit} of {len(machine.gpus)} GPUs; --resources gpu={len(machine.gpus)} allows all"
            )
    without_gpu = not on_cluster and not machine.gpus and any(request.gpus for request in requests)
    if without_gpu:
        hints.append(
            "no GPU: models train on the CPU, which is fast enough for small configurations such as config/demo.yaml; "
            "the whole benchmark (108 runs at 640 x 640 pixels in config.yaml) requires a GPU"
        )
    if machine.disk_free_mb < REQUIRED_DISK_MB:
        faults.append(
            f"disk: {machine.disk_free_mb} MB free at {args.results}; the whole benchmark requires {REQUIRED_DISK_MB}"
        )
    optional = () if on_cluster else ("snakemake-executor-plugin-slurm",)
    missing = [name for name, version in machine.packages.items() if version is None and name not in optional]
    faults += [f"package {name}: not installed" for name in missing]
    if args.json:
        document = {
            "machine": asdict(machine),
            "slurm": slurm,
            "partitions": [asdict(partition) for partition in partitions.values()],
            "requests": [asdict(request) for request in requests],
            "faults": faults,
            "hints": hints,
        }
        print(json.dumps(document, indent=1))
    else:
        _print_resources(machine, slurm, partitions.values(), requests)
        _print_verdict(faults, hints, without_gpu)
    if faults:
        raise EcgpipeError(f"problems found: {len(faults)}; edit {args.profile} or use another machine")


def _print_verdict(faults: list[str], hints: list[str], without_gpu: bool) -> None:
    print()
    for hint in hints:
        print(f"note: {hint}")
    for fault in faults:
        print(f"{paint('problem', 'red', sys.stdout)}: {fault}")
    if not faults and without_gpu:
        print(paint("everything requested fits, except the GPU (see the note)", "yellow", sys.stdout))
    elif not faults:
        print(paint("no problems found: everything requested fits", "green", sys.stdout))


def _print_resources(machine, slurm, partitions, requests) -> None:
    print(f"{machine.system}, Python {machine.python}")
    print(f"{machine.cores} cores, {machine.memory_mb} MB of memory, {machine.disk_free_mb} MB of free disk space")
    gpus = ", ".join(f"{name} ({memory} MB)" for name, memory in machine.gpus) or "none found by PyTorch"
    print(f"GPUs: {gpus}; CUDA version of PyTorch: {machine.cuda or 'none'}")
    print(f"NVIDIA driver: {machine.driver or 'none'}" + (f"; Slurm {slurm}" if slurm else ""))
    print("\n".join(f"  {name:34} {version or 'not installed'}" for name, version in machine.packages.items()))
    for partition in partitions:
        limit = f"{partition.minutes} minutes" if partition.minutes else "no time limit"
        size = f"{partition.cpus} CPUs, {partition.memory_mb} MB, GPUs {partition.gres}"
        print(f"partition {partition.name}: {limit}, {size}")
    print("\nrequested at the first attempt (Snakemake never uses more CPUs than --cores):")
    for request in requests:
        gpu = f", {request.gpus} GPU {request.gpu_model or ''}".rstrip() if request.gpus else ""
        where = f" in {request.partition}" if request.partition else ""
        time = f", {request.minutes} minutes" if request.minutes else ""
        cpus = "1 CPU" if request.threads == 1 else f"{request.threads} CPUs"
        print(f"  {request.rule:23} {cpus}, {request.mem_mb} MB{time}{gpu}{where}")


@command(
    argument("name", choices=("render", "preprocess", "train"), help="the stage"),
    argument("--record", type=Path, metavar="RECORD", help="WFDB record (default: a simulated one)"),
    argument("--repetitions", type=int, default=9, metavar="N", help="rounds, 1 or more (default 9)"),
    argument("--json", action="store_true", help="print JSON"),
    argument("--model", default="resnet34", help="train: variant or timm model (default resnet34)"),
    argument("--image-size", type=int, default=640, metavar="PIXELS", help="train: side of the input (default 640)"),
    argument("--batch-size", type=int, default=16, metavar="N", help="train: images per step (default 16)"),
    argument("--steps", type=int, default=4, metavar="N", help="train: steps per round (default 4)"),
    examples="""bench render --json
    bench train --model swin --image-size 224 --batch-size 4""",
)
def bench(args: Arguments) -> None:
    """Measure the speed of a stage and of alternatives in the same run; requires a checkout of ecgpipe."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "benchmarks" / f"{args.name}.py").is_file():
        raise EcgpipeError(
            f"benchmarks/{args.name}.py: only in a checkout of ecgpipe; get one and install it with pip install -e ."
        )
    sys.path.insert(0, str(checkout))
    report = importlib.import_module(f"benchmarks.{args.name}").run(args)
    print(json.dumps(report.as_dict(), indent=1) if args.json else report.as_text())


@command(
    argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell"),
    examples="""completion bash > ~/.local/share/bash-completion/completions/ecgpipe
    completion zsh > ~/.zfunc/_ecgpipe    # ~/.zfunc must be in fpath before compinit""",
)
def completion(args: Arguments) -> None:
    """Print a script that completes commands, options and file names in a shell."""
    import shtab

    for action in _all_actions(args.all_commands):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(args.all_commands, args.shell))


def _all_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser and of its commands."""
    actions = []
    for action in parser._actions:
        actions.append(action)
        if isinstance(action, argparse._SubParsersAction):
            actions += [inner for sub in action.choices.values() for inner in _all_actions(sub)]
    return actions
