"""Scripts run by hand, without a job."""

import subprocess
import sys

import pytest

from tests.workflow.conftest import ENVIRONMENT

pytestmark = pytest.mark.workflow

JOB = {"dataset": "ptb-xl", "protocol": "paper", "variant": "resnet10t", "seed": 0}


def test_a_script_by_hand_writes_the_file_of_the_job(workflow):
    metrics = workflow.folder / "results/tiny/ptb-xl/paper/resnet10t/seed-0/metrics.json"
    before = metrics.read_bytes()
    metrics.unlink()
    (workflow.folder / "by-hand.yaml").write_text("datasets: [ptb-xl]\nptb_xl: {source: raw, shard_size: 40}\n")
    wildcards = [f"{name}={value}" for name, value in JOB.items()]
    command = ["scripts/mock_snakemake.py", "evaluate", *wildcards, "--configfile", "tiny.yaml", "by-hand.yaml"]
    done = subprocess.run(
        [sys.executable, *command], cwd=workflow.folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert metrics.read_bytes() == before


def test_the_object_has_what_the_rule_states(workflow):
    code = (
        "from scripts.mock_snakemake import mock_snakemake\n"
        f"snakemake = mock_snakemake('measure_saliency', 'tiny.yaml', **{JOB | {'dataset': 'simulated'}})\n"
        "print(snakemake.resources.mem_mb, snakemake.resources.runtime, snakemake.log[0], snakemake.input.maps)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workflow.folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    memory, runtime, log, maps = done.stdout.split()[-4:]
    assert (int(memory), int(runtime)) == (4000, 120)
    assert log == "results/tiny/logs/measure_saliency/simulated/paper/resnet10t/seed-0.log"
    assert maps == "results/tiny/simulated/paper/resnet10t/seed-0/saliency.npz"
