"""What the doctor finds out, and what it calls a fault."""

import json
from pathlib import Path

import pytest

from ecgpipe.cli import main
from ecgpipe.doctor.machine import Machine, faults_of_machine
from ecgpipe.doctor.partitions import faults_of_status, minutes_of, parse_partitions
from ecgpipe.doctor.profile import (
    DEFAULT,
    faults_of_profile,
    faults_on_cluster,
    faults_on_machine,
    gpus_of_machine,
    read_profile,
    requests,
    stated_in_rules,
)
from ecgpipe.errors import EcgpipeError
from tests.conftest import PROJECT

LISTING = "main*|infinite|64|256000|(null)\ngpu|1-00:00:00|16+|128000+|gpu:a100:4\ngpu|1-00:00:00|32|64000|gpu:v100:2\n"


@pytest.mark.parametrize(
    "limit, minutes",
    [("infinite", None), ("30:00", 30), ("1:00:00", 60), ("2-12:00:00", 3600), ("0:30", 1), ("15", 1)],
)
def test_time_limits(limit, minutes):
    assert minutes_of(limit) == minutes


def test_partitions_with_several_kinds_of_nodes():
    found = parse_partitions(LISTING)
    assert found["main"].is_default and found["main"].minutes is None
    assert (found["gpu"].cpus, found["gpu"].memory_mb, found["gpu"].minutes) == (32, 128000, 1440)
    assert "a100" in found["gpu"].gres and "v100" in found["gpu"].gres


def test_the_profile_that_comes_with_the_project_fits_a_usual_cluster():
    profile = PROJECT / "profiles/slurm"
    wanted = {request.rule: request for request in requests(read_profile(profile), stated_in_rules(profile))}
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
    assert faults_on_cluster(list(wanted.values()), parse_partitions(LISTING)) == []


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"slurm_partition": "fast"}, "no partition 'fast' here"),
        ({"mem_mb": "attempt * 500000"}, "mem_mb 500000; the largest node of gpu has 128000"),
        ({"runtime": 2000}, "runtime 2000 minutes; gpu allows 1440"),
        ({"slurm_partition": "main"}, "asks for a GPU; no node of main has one"),
        ({"gpu_model": "h100"}, "no GPU 'h100' in gpu"),
        ({"gpu": 0, "gres": "gpu:h100:1"}, "no GPU 'h100' in gpu"),
        ({"gpu": 8}, "asks for 8 GPUs; the nodes of gpu have 4 at most"),
        ({"runtime": "2d"}, "runtime 2880 minutes; gpu allows 1440"),
        ({"mem_mb": "300GB"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"mem_mb": "attempt ** 2 * 300000"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"mem_mb": None, "mem": "300GB"}, "mem_mb 300000; the largest node of gpu has 128000"),
        ({"slurm_partition": "main,fast"}, "no partition 'fast' here"),
    ],
)
def test_what_does_not_fit_is_named(change, fault):
    profile = read_profile(PROJECT / "profiles/slurm")
    profile["set-resources"]["train"].update(change)
    faults = faults_on_cluster(requests(profile), parse_partitions(LISTING))
    assert any("train" in line and fault in line for line in faults), faults


def test_a_job_that_fits_one_of_several_partitions_fits():
    profile = read_profile(PROJECT / "profiles/slurm")
    profile["set-resources"]["train"]["slurm_partition"] = "main,gpu"
    assert faults_on_cluster(requests(profile), parse_partitions(LISTING)) == []


@pytest.mark.parametrize(
    "gres, count",
    [("(null)", 0), ("gpu:4", 4), ("gpu", 1), ("gpu:a100:4(S:0-1)", 4), ("gpu:a100:4,gpu:v100:8", 8), ("shard:16", 0)],
)
def test_gpus_of_a_node(gres, count):
    assert parse_partitions(f"p|infinite|4|4000|{gres}\n")["p"].gpus == count


@pytest.mark.parametrize(
    "resources, fault",
    [
        ({"mem_mb": "attempt * 300"}, "mem_mb 300; jobs with less than 500 are killed at once"),
        ({"gpu": 1, "gres": "gpu:1"}, "asks for GPUs by `gpu` and by `gres`; keep one"),
    ],
)
def test_what_is_wrong_anywhere(resources, fault):
    profile = {"executor": "slurm", "set-resources": {"train": resources}}
    assert faults_of_profile(profile, requests(profile)) == [f"train: {fault}"]


def test_what_cannot_be_read_is_said():
    profile = {"set-resources": {"train": {"runtime": "1h30m", "mem_mb": "input.size_mb * 2"}}}
    (_, request) = requests(profile)
    assert request.unread == ("mem_mb: input.size_mb * 2", "runtime: 1h30m")


def machine_with(gpus: int, **more) -> Machine:
    listed = [("a card", 24000)] * gpus
    return Machine("3.11", "Linux", 8, 64000, 90000, listed, "12.4", more.pop("driver", None), more)


@pytest.mark.parametrize(
    "gpus, at_a_time, asked, fault",
    [
        (0, 1, 1, None),  # on the CPU
        (2, 2, 1, None),
        (2, 2, 3, "train: asks for 3 GPUs; this machine has 2"),
        (2, 1, 2, "train: asks for 2 GPUs; resources: [gpu=1] never allows so many"),
        (2, 4, 1, "resources: gpu=4; this machine has 2: jobs beyond that only wait"),
    ],
)
def test_gpus_of_a_workstation(gpus, at_a_time, asked, fault):
    profile = {"resources": [f"gpu={at_a_time}"], "set-resources": {"train": {"gpu": asked}}}
    faults = faults_on_machine(requests(profile), machine_with(gpus), gpus_of_machine(profile))
    assert faults == [] if fault is None else fault in faults


def test_gpus_that_cannot_be_used_and_versions_that_do_not_fit():
    (fault,) = faults_of_machine(machine_with(0, driver="550.54, A card"))
    assert "the driver has one (550.54, A card), PyTorch (CUDA 12.4) sees none" in fault
    assert faults_of_machine(machine_with(1, driver="550.54, A card", torch="2.14.1")) == []
    (fault,) = faults_of_machine(machine_with(0, torch="1.13.0"))
    assert fault.startswith("package torch: 1.13.0 is installed, >=2.6 is wanted")


@pytest.mark.parametrize(
    "command, settings, fault",
    [
        ("squeue", {"MinJobAge": "300 sec"}, None),
        ("squeue", {"MinJobAge": "10 sec"}, "forgotten after 10 s"),
        ("sacct", {"AccountingStorageType": "accounting_storage/none"}, "keeps no accounting"),
        ("sacct", {"AccountingStorageType": "accounting_storage/slurmdbd", "MinJobAge": "10 sec"}, None),
    ],
)
def test_whether_the_end_of_jobs_can_be_learnt(command, settings, fault):
    faults = faults_of_status({"slurm-status-command": command}, settings)
    assert faults == [] if fault is None else fault in faults[0]


def test_the_command(tmp_path, capsys):
    profile = tmp_path / "config.yaml"
    profile.write_text("default-resources: {mem_mb: 100}\nset-resources: {train: {mem_mb: 900000000}}\n")
    assert main(["doctor", "--profile", str(tmp_path), "--results", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["machine"]["packages"]["torch"]
    assert any(fault.startswith("train: mem_mb 900000000; this machine has") for fault in found["faults"])
    assert "do not fit" in printed.err


def test_a_profile_that_is_none(tmp_path):
    with pytest.raises(EcgpipeError, match="no such file"):
        read_profile(tmp_path)
    Path(tmp_path, "config.yaml").write_text("- a list\n")
    with pytest.raises(EcgpipeError, match="not a profile"):
        read_profile(tmp_path)
