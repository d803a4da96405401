"""Resources that the rules and a Snakemake profile request, compared with a machine or cluster."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ecgpipe.doctor.machine import Machine, Partition
from ecgpipe.errors import EcgpipeError
from ecgpipe.gpus import requested_gpus

DEFAULT = "(every other rule)"
MIN_MEMORY_MB = 500  # a job on a cluster also runs two Snakemake processes
UNIT_MINUTES = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440, "w": 10080}
UNIT_MB = {"kb": 1e-3, "mb": 1, "gb": 1e3, "tb": 1e6, "kib": 2**10 / 1e6, "mib": 2**20 / 1e6, "gib": 2**30 / 1e6}


@dataclass(frozen=True)
class Request:
    """Resources that the jobs of a rule request at their first attempt; None: not stated, or not a number.

    Attributes:
        unread: keys whose value is a formula that was not evaluated.
        two_gpu_keys: whether both ``gpu`` and ``gres`` request GPUs.
    """

    rule: str
    partition: str | None
    threads: int
    mem_mb: int | None
    minutes: int | None
    gpus: int
    gpu_model: str | None
    unread: tuple[str, ...] = ()
    two_gpu_keys: bool = False


def read_profile(folder: Path) -> dict:
    """Read config.yaml of a profile.

    Raises:
        EcgpipeError: missing, not YAML, or not a mapping.
    """
    file = folder if folder.is_file() else folder / "config.yaml"
    if not file.is_file():
        raise EcgpipeError(f"{file}: no such file; --profile requires a folder with config.yaml, as profiles/slurm")
    try:
        profile = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EcgpipeError(f"{file}: not readable as YAML: {error}") from None
    if not isinstance(profile, dict):
        raise EcgpipeError(f"{file}: not a profile: must be a mapping of Snakemake options")
    return profile


def read_rule_resources(profile: Path) -> dict[str, dict[str, int]]:
    """Read ``threads``, ``mem_mb``, ``runtime`` and ``gpu`` of each rule from the rule files beside a profile.

    Args:
        profile: the folder, or its config.yaml; rules are in ``../../rules/*.smk`` of the folder.
    """
    folder = (profile.parent if profile.is_file() else profile).resolve().parent.parent / "rules"
    resources: dict[str, dict[str, int]] = {}
    for file in sorted(folder.glob("*.smk"), key=lambda file: file.name == "tune.smk"):  # it uses rules of train.smk
        stated: dict[str, int] = {}
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\s*(?:use )?rule (\w+)(?: as (\w+) with)?:", line):
                stated = resources[match[2] or match[1]] = dict(resources[match[1]]) if match[2] else {}
            elif match := re.match(r"\s*(threads: |mem_mb=|runtime=|gpu=)(?:scaled\()?(\d+)", line):
                stated[match[1].strip(" :=")] = int(match[2])
    return {rule: stated for rule, stated in resources.items() if stated}


def requests(profile: dict, stated: dict[str, dict[str, int]] | None = None) -> list[Request]:
    """List the requests of each rule; the first entry is for all other rules.

    Args:
        profile: content of a profile.
        stated: resources of the rules; the profile overrides them.
    """
    base = _pairs(profile.get("default-resources"))
    threads = _pairs(profile.get("set-threads"))
    special = _by_rule(profile.get("set-resources"))
    stated = stated or {}
    return [
        _request(
            rule,
            base
            | {key: value for key, value in stated.get(rule, {}).items() if key != "threads"}
            | _pairs(special.get(rule)),
            threads.get(rule, stated.get(rule, {}).get("threads", 1)),
        )
        for rule in [DEFAULT, *sorted({*threads, *special, *stated})]
    ]


def gpu_limit(profile: dict) -> int | None:
    """GPUs that all jobs together may use (``resources: [gpu=...]`` of the profile); None: not stated."""
    value = _pairs(profile.get("resources")).get("gpu")
    return value if value is None else int(value)


def _pairs(value: Any) -> dict:
    """A mapping, or Snakemake's other form: a list of ``name=value``."""
    if isinstance(value, list):
        return dict(text.split("=", 1) for text in value)
    return dict(value or {})


def _by_rule(value: Any) -> dict[str, Any]:
    """Rule -> its pairs: a mapping, or Snakemake's other form: a list of ``rule:name=value``."""
    if not isinstance(value, list):
        return value or {}
    by_rule: dict[str, list[str]] = {}
    for text in value:
        rule, _, pair = text.partition(":")
        by_rule.setdefault(rule, []).append(pair)
    return by_rule


def _request(rule: str, resources: dict, threads: Any) -> Request:
    unread: list[str] = []

    def number(key: str, units: dict[str, float], value: Any = None) -> int | None:
        value = resources.get(key) if value is None else value
        amount = _number(value, units)
        if value is not None and amount is None:
            unread.append(f"{key}: {value}")
        return amount

    parts = str(resources.get("gres") or "").split(":")
    model = parts[1] if parts[0] == "gpu" and len(parts) > 1 and not parts[1].isdigit() else resources.get("gpu_model")
    memory = number("mem_mb", UNIT_MB)
    cpus = next((key for key in ("cpus_per_task", "cpus_per_gpu") if resources.get(key)), None)
    requested = {"gpu": number("gpu", {}) or 0, "gres": resources.get("gres")}
    return Request(
        rule,
        resources.get("slurm_partition"),
        (number(cpus, {}) if cpus else number("threads", {}, threads)) or 1,
        number("mem", UNIT_MB) if memory is None else memory,
        number("runtime", UNIT_MINUTES),
        requested_gpus(requested),
        model,
        tuple(unread),
        bool(requested["gpu"] and parts[0] == "gpu"),
    )


def _number(value: Any, units: dict[str, float]) -> int | None:
    """A number at the first attempt: plain, with a unit, or a product like ``attempt * 1500``; None for other forms."""
    if value is None or isinstance(value, int):
        return value
    text = re.sub(r"attempt\s*\*\*\s*\d+", "attempt", str(value).strip())  # 1 at the first attempt, to any power
    if (match := re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", text)) and match[2].lower() in units:
        return math.ceil(float(match[1]) * units[match[2].lower()])
    product = 1
    for factor in text.split("*"):
        if factor.strip() != "attempt":
            if not factor.strip().isdigit():
                return None
            product *= int(factor)
    return product


def profile_faults(profile: dict, wanted: list[Request]) -> list[str]:
    """Requests that are wrong on every machine."""
    faults = []
    for request in wanted:
        if request.two_gpu_keys:
            faults.append(f"{request.rule}: both `gpu` and `gres` request GPUs; remove one")
        if profile.get("executor") == "slurm" and request.mem_mb and request.mem_mb < MIN_MEMORY_MB:
            faults.append(
                f"{request.rule}: mem_mb {request.mem_mb}; Slurm kills jobs with less than {MIN_MEMORY_MB} at once"
            )
    return faults


def cluster_faults(wanted: list[Request], partitions: dict[str, Partition]) -> list[str]:
    """Requests that no partition can satisfy; Slurm rejects such jobs or lets them wait forever."""
    faults = []
    default = next((partition.name for partition in partitions.values() if partition.is_default), None)
    for request in wanted:
        if not (request.partition or default):
            faults.append(f"{request.rule}: no slurm_partition, and this cluster has no default partition")
            continue
        names = str(request.partition or default).split(",")  # of several, Slurm uses the first with free nodes
        missing = [name for name in names if name not in partitions]
        if missing:
            faults += [
                f"{request.rule}: no partition {name!r}; slurm_partition may be {', '.join(partitions)}"
                for name in missing
            ]
            continue
        by_partition = [_faults_in(request, partitions[name]) for name in names]
        faults += min(by_partition, key=len)
    return faults


def _faults_in(request: Request, offer: Partition) -> list[str]:
    name, faults = offer.name, []
    if request.mem_mb and request.mem_mb > offer.memory_mb:
        faults.append(f"mem_mb {request.mem_mb}; the largest node of {name} has {offer.memory_mb}")
    if request.threads > offer.cpus:
        faults.append(f"{request.threads} CPUs; the largest node of {name} has {offer.cpus}")
    if request.minutes and offer.minutes and request.minutes > offer.minutes:
        faults.append(f"runtime {request.minutes} minutes; {name} allows {offer.minutes}")
    if request.gpus and not offer.gpus:
        faults.append(f"a GPU is requested; no node of {name} has one")
    elif request.gpus > offer.gpus:
        faults.append(f"{request.gpus} GPUs are requested; the nodes of {name} have at most {offer.gpus}")
    if request.gpu_model and request.gpu_model not in offer.gres:
        faults.append(f"no GPU {request.gpu_model!r} in {name}, which has {offer.gres}")
    return [f"{request.rule}: {fault}" for fault in faults]


def workstation_faults(wanted: list[Request], machine: Machine, limit: int | None) -> list[str]:
    """Requests that this machine cannot satisfy. Threads are not compared: Snakemake caps them at --cores.

    Args:
        wanted: requests by rule.
        machine: this machine. Without any GPU, jobs run on the CPU.
        limit: see ``gpu_limit``.
    """
    faults = [
        f"{request.rule}: mem_mb {request.mem_mb}; this machine has {machine.memory_mb}"
        for request in wanted
        if request.mem_mb and request.mem_mb > machine.memory_mb
    ]
    available = len(machine.gpus)
    if available:
        faults += [
            f"{request.rule}: {request.gpus} GPUs are requested; this machine has {available}"
            for request in wanted
            if request.gpus > available
        ]
    if limit is not None:
        faults += [
            f"{request.rule}: {request.gpus} GPUs are requested; resources: [gpu={limit}] allows fewer"
            for request in wanted
            if request.gpus > limit
        ]
        if available and limit > available:
            faults.append(f"resources: gpu={limit}; this machine has {available}, so further jobs only wait")
    return faults
