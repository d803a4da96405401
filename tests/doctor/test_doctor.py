"""What the doctor finds out, and what it calls a fault."""

import json
from pathlib import Path

import pytest

from ecgpipe.cli import main
from ecgpipe.doctor.partitions import minutes_of, parse_partitions
from ecgpipe.doctor.profile import DEFAULT, faults_on_cluster, read_profile, requests
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
    wanted = {request.rule: request for request in requests(read_profile(PROJECT / "profiles/slurm"))}
    assert (wanted["train"].partition, wanted["train"].gpus, wanted["train"].mem_mb) == ("gpu", 1, 16000)
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
    ],
)
def test_what_does_not_fit_is_named(change, fault):
    profile = read_profile(PROJECT / "profiles/slurm")
    profile["set-resources"]["train"].update(change)
    faults = faults_on_cluster(requests(profile), parse_partitions(LISTING))
    assert any("train" in line and fault in line for line in faults), faults


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
