"""The resources that `ecgpipe doctor` finds, and the faults that it reports."""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from ecgpipe.cli import main
from ecgpipe.doctor.machine import (
    Machine,
    inspect_machine,
    machine_faults,
    parse_minutes,
    parse_partitions,
    status_command_faults,
)
from ecgpipe.doctor.profile import (
    DEFAULT,
    cluster_faults,
    gpu_limit,
    profile_faults,
    read_profile,
    read_rule_resources,
    requests,
    workstation_faults,
)
from ecgpipe.errors import EcgpipeError
from tests.conftest import PROJECT

LISTING = "main*|infinite|64|256000|(null)\ngpu|1-00:00:00|16+|128000+|gpu:a100:4\ngpu|1-00:00:00|32|64000|gpu:v100:2\n"


@pytest.mark.parametrize(
    "limit, minutes",
    [("infinite", None), ("30:00", 30), ("1:00:00", 60), ("2-12:00:00", 3600), ("0:30", 1), ("15", 1)],
)
def test_time_limits(limit, minutes):
    assert parse_minutes(limit) == minutes


def test_partitions_with_several_kinds_of_nodes():
    found = parse_partitions(LISTING)
    assert found["main"].is_default and found["main"].minutes is None
    assert (found["gpu"].cpus, found["gpu"].memory_mb, found["gpu"].minutes) == (32, 128000, 1440)
    assert "a100" in found["gpu"].gres and "v100" in found["gpu"].gres


def test_slurm_profile_fits_a_typical_cluster():
    profile = PROJECT / "profiles/slurm"
    wanted = {request.rule: request for request in requests(read_profile(profile), read_rule_resources(profile))}
    train, predict = wanted["train"], wanted["predict"]
    assert (train.partition, train.gpus, train.mem_mb, train.threads, train.minutes) == ("gpu", 1, 16000, 8, 1440)
    assert (predict.partition, predict.gpus, predict.mem_mb, predict.threads, predict.minutes) == (
        "main",
        0,
        6000,
        4,
        120,
    )
    assert wanted["measure_saliency"].mem_mb >= 2900  # as measured
    assert (wanted[DEFAULT].partition, wanted[DEFAULT].mem_mb, wanted[DEFAULT].minutes) == ("main", 1500, 30)
    assert cluster_faults(list(wanted.values()), parse_partitions(LISTING)) == []


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"slurm_partition": "fast"}, "no partition 'fast'"),
        ({"mem_mb": "attempt * 500000"}, "mem_mb 500000; the largest node of gpu has 128000"),
        ({"runtime": 2000}, "runtime 2000 minutes; gpu allows 1440"),
        ({"slurm_partition": "main"}, "a GPU is requested; no node of main has one"),
        ({"gpu_model": "h100"}, "no GPU 'h100' in gpu"),
        ({"gpu": 0, "gres": "gpu:h100:1"}, "no GPU 'h100' in gpu"),
        ({"gpu": 8}, "8 GPUs are requested; the nodes of gpu have at most 4"),
        ({"runtime": "2d"}, "runtime 2880 minutes; gpu allows 1440"),
        ({"mem_mb": "300GB"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"mem_mb": "attempt ** 2 * 300000"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"mem_mb": None, "mem": "300GB"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"slurm_partition": "main,fast"}, "no partition 'fast'"),
    ],
)
def test_cluster_faults(change, fault):
    profile = read_profile(PROJECT / "profiles/slurm")
    profile["set-resources"]["train"].update(change)
    faults = cluster_faults(requests(profile), parse_partitions(LISTING))
    assert any("train" in line and fault in line for line in faults), faults


def test_a_job_may_fit_any_of_its_partitions():
    profile = read_profile(PROJECT / "profiles/slurm")
    profile["set-resources"]["train"]["slurm_partition"] = "main,gpu"
    assert cluster_faults(requests(profile), parse_partitions(LISTING)) == []


@pytest.mark.parametrize(
    "gres, count",
    [("(null)", 0), ("gpu:4", 4), ("gpu", 1), ("gpu:a100:4(S:0-1)", 4), ("gpu:a100:4,gpu:v100:8", 8), ("shard:16", 0)],
)
def test_gpus_of_a_node(gres, count):
    assert parse_partitions(f"p|infinite|4|4000|{gres}\n")["p"].gpus == count


@pytest.mark.parametrize(
    "resources, fault",
    [
        ({"mem_mb": "attempt * 300"}, "mem_mb 300; Slurm kills jobs with less than 500 at once"),
        ({"gpu": 1, "gres": "gpu:1"}, "both `gpu` and `gres` request GPUs; remove one"),
    ],
)
def test_profile_faults(resources, fault):
    profile = {"executor": "slurm", "set-resources": {"train": resources}}
    assert profile_faults(profile, requests(profile)) == [f"train: {fault}"]


def test_resources_of_rules_as_a_list():
    """The form of Snakemake's command line."""
    profile = {"set-resources": ["train:mem_mb=300", "train:gpu=2", "predict:mem_mb=700"]}
    wanted = {request.rule: request for request in requests(profile)}
    assert (wanted["train"].mem_mb, wanted["train"].gpus, wanted["predict"].mem_mb) == (300, 2, 700)


def test_unread_formulas_are_named():
    profile = {"set-resources": {"train": {"runtime": "1h30m", "mem_mb": "input.size_mb * 2"}}}
    (_, request) = requests(profile)
    assert request.unread == ("mem_mb: input.size_mb * 2", "runtime: 1h30m")


def make_machine(gpus: int, **more) -> Machine:
    listed = [("a card", 24000)] * gpus
    return Machine("3.11", "Linux", 8, 64000, 90000, listed, "12.4", more.pop("driver", None), more)


@pytest.mark.parametrize(
    "gpus, limit, asked, fault",
    [
        (0, 1, 1, None),  # on the CPU
        (2, 2, 1, None),
        (2, 2, 3, "train: 3 GPUs are requested; this machine has 2"),
        (2, 1, 2, "train: 2 GPUs are requested; resources: [gpu=1] allows fewer"),
        (2, 4, 1, "resources: gpu=4; this machine has 2, so further jobs only wait"),
    ],
)
def test_workstation_gpu_faults(gpus, limit, asked, fault):
    profile = {"resources": [f"gpu={limit}"], "set-resources": {"train": {"gpu": asked}}}
    faults = workstation_faults(requests(profile), make_machine(gpus), gpu_limit(profile))
    assert faults == [] if fault is None else fault in faults


def test_unusable_gpus_and_unsupported_versions():
    (fault,) = machine_faults(make_machine(0, driver="550.54, A card"))
    assert "the driver lists 550.54, A card, but PyTorch (CUDA 12.4) finds none" in fault
    assert machine_faults(make_machine(1, driver="550.54, A card", torch="2.14.1")) == []
    (fault,) = machine_faults(make_machine(0, torch="1.13.0"))
    assert fault.startswith("package torch: 1.13.0 is installed, >=2.6 is required")


def test_a_checkout_that_is_not_installed(monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("ecgpipe.doctor.machine.metadata.requires", requires)
    assert machine_faults(make_machine(0, torch="1.13.0")) == []


@pytest.mark.parametrize(
    "command, settings, fault",
    [
        ("squeue", {"MinJobAge": "300 sec"}, None),
        ("squeue", {"MinJobAge": "10 sec"}, "forgets finished jobs after 10 s"),
        ("sacct", {"AccountingStorageType": "accounting_storage/none"}, "stores no accounting"),
        ("sacct", {"AccountingStorageType": "accounting_storage/slurmdbd", "MinJobAge": "10 sec"}, None),
    ],
)
def test_status_command_faults(command, settings, fault):
    faults = status_command_faults({"slurm-status-command": command}, settings)
    assert faults == [] if fault is None else fault in faults[0]


def test_a_gpu_whose_driver_is_too_old_is_not_listed(tmp_path, monkeypatch):
    """PyTorch counts such GPUs, but cannot use them."""

    def fail(index):
        raise RuntimeError("The NVIDIA driver on your system is too old")

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", fail)
    assert inspect_machine(tmp_path).gpus == []


def test_doctor_command(tmp_path, capsys):
    profile = tmp_path / "config.yaml"
    profile.write_text("default-resources: {mem_mb: 100}\nset-resources: {train: {mem_mb: 900000000}}\n")
    assert main(["doctor", "--profile", str(tmp_path), "--results", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["machine"]["packages"]["torch"]
    assert any(fault.startswith("train: mem_mb 900000000; this machine has") for fault in found["faults"])
    assert "problems found" in printed.err


@pytest.mark.parametrize(
    ("gpus", "asked", "fits"), [(0, 1, False), (1, 1, True), (0, 0, True)], ids=["no GPU", "a GPU", "none needed"]
)
def test_without_a_gpu_not_everything_fits(gpus, asked, fits, tmp_path, capsys, monkeypatch):
    machine = make_machine(gpus, torch="2.14.1")
    monkeypatch.setattr("ecgpipe.doctor.machine.inspect_machine", lambda results: machine)
    (tmp_path / "config.yaml").write_text(f"set-resources: {{train: {{gpu: {asked}}}}}\n")
    assert main(["doctor", "--profile", str(tmp_path)]) == 0  # the CPU is enough for small configurations
    out = capsys.readouterr().out
    assert ("everything requested fits\n" in out) == fits
    assert ("note: no GPU: models train on the CPU" in out) == (not fits)


def test_invalid_profile(tmp_path):
    with pytest.raises(EcgpipeError, match="no such file"):
        read_profile(tmp_path)
    Path(tmp_path, "config.yaml").write_text("- a list\n")
    with pytest.raises(EcgpipeError, match="not a profile"):
        read_profile(tmp_path)
    Path(tmp_path, "config.yaml").write_bytes("# größer\n".encode("latin-1"))
    with pytest.raises(EcgpipeError, match="not readable as YAML"):
        read_profile(tmp_path)
