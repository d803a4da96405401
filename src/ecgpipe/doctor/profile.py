"""What a Snakemake profile asks for, and whether it is there."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from ecgpipe.doctor.machine import Machine
from ecgpipe.doctor.partitions import Partition
from ecgpipe.errors import EcgpipeError
from ecgpipe.gpus import gpus_asked

DEFAULT = "(every other rule)"


@dataclass(frozen=True)
class Request:
    """What the jobs of a rule ask for at their first attempt."""

    rule: str
    partition: str | None
    threads: int
    mem_mb: int | None
    minutes: int | None
    gpus: int
    gpu_model: str | None


def read_profile(folder: Path) -> dict:
    """A profile's config.yaml as it stands."""
    file = folder if folder.is_file() else folder / "config.yaml"
    if not file.is_file():
        raise EcgpipeError(f"{file}: no such file; --profile wants a folder with a config.yaml, such as profiles/slurm")
    try:
        profile = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise EcgpipeError(f"{file}: not readable as YAML: {error}") from None
    if not isinstance(profile, dict):
        raise EcgpipeError(f"{file}: not a profile: a mapping of Snakemake's options is wanted")
    return profile


def requests(profile: dict) -> list[Request]:
    """What the profile asks for, rule by rule; first what holds for all others."""
    base = dict(profile.get("default-resources") or {})
    threads = profile.get("set-threads") or {}
    special = profile.get("set-resources") or {}
    rules = [DEFAULT, *sorted({*threads, *special})]
    return [_request(rule, base | dict(special.get(rule) or {}), threads.get(rule, 1)) for rule in rules]


def _request(rule: str, resources: dict, threads: int) -> Request:
    model = resources.get("gpu_model")
    parts = str(resources.get("gres") or "").split(":")
    if parts[0] == "gpu" and len(parts) > 1 and not parts[1].isdigit():
        model = parts[1]
    return Request(
        rule,
        resources.get("slurm_partition"),
        int(resources.get("cpus_per_task") or resources.get("cpus_per_gpu") or threads),
        _number(resources.get("mem_mb"), rule, "mem_mb"),
        _number(resources.get("runtime"), rule, "runtime"),
        gpus_asked(resources),
        model,
    )


def _number(value, rule: str, key: str) -> int | None:
    """A number as it stands, or of the form `attempt * 1500` at the first attempt; None where it is another formula."""
    if value is None or isinstance(value, int):
        return value
    factors = [part.strip() for part in str(value).split("*")]
    if all(part == "attempt" or part.isdigit() for part in factors):
        product = 1
        for part in factors:
            product *= 1 if part == "attempt" else int(part)
        return product
    return None


def faults_on_cluster(wanted: list[Request], partitions: dict[str, Partition]) -> list[str]:
    """What jobs ask for and would never get; such jobs are refused or wait forever."""
    faults = []
    default = next((partition.name for partition in partitions.values() if partition.is_default), None)
    for request in wanted:
        name = request.partition or default
        if name is None or name not in partitions:
            faults.append(f"{request.rule}: no partition {name!r} here; slurm_partition may be {', '.join(partitions)}")
            continue
        offer = partitions[name]
        if request.mem_mb and request.mem_mb > offer.memory_mb:
            faults.append(f"{request.rule}: mem_mb {request.mem_mb}; the largest node of {name} has {offer.memory_mb}")
        if request.threads > offer.cpus:
            faults.append(f"{request.rule}: {request.threads} CPUs; the largest node of {name} has {offer.cpus}")
        if request.minutes and offer.minutes and request.minutes > offer.minutes:
            faults.append(f"{request.rule}: runtime {request.minutes} minutes; {name} allows {offer.minutes}")
        if request.gpus and "gpu" not in offer.gres:
            faults.append(f"{request.rule}: asks for a GPU; no node of {name} has one")
        if request.gpu_model and request.gpu_model not in offer.gres:
            faults.append(f"{request.rule}: no GPU {request.gpu_model!r} in {name}, which has {offer.gres}")
    return faults


def faults_on_machine(wanted: list[Request], machine: Machine) -> list[str]:
    """What jobs ask for and this machine does not have. Threads do not count: Snakemake caps them at --cores."""
    return [
        f"{request.rule}: mem_mb {request.mem_mb}; this machine has {machine.memory_mb}"
        for request in wanted
        if request.mem_mb and request.mem_mb > machine.memory_mb
    ]
