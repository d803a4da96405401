"""What the rules state, and what they rely on in Snakemake."""

import inspect
import re

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from ecgpipe.doctor.profile import read_rule_resources
from tests.conftest import PROJECT
from tests.workflow.conftest import Workflow, copy_project

LOCAL = {"labels", "split", "audit_leaks", "prepare", "curves", "claims", "strict", "external_classes"}


def test_heavy_rules_state_their_resources():
    stated = read_rule_resources(PROJECT / "profiles/default")
    assert stated["train"] == {"threads": 8, "mem_mb": 8000, "runtime": 1440, "gpu": 1} == stated["train_trial"]
    assert stated["measure_saliency"]["mem_mb"] > 2900 and stated["measure_saliency"]["runtime"] > 30  # as measured
    assert stated["evaluate"]["runtime"] >= 60  # 2,000 resamples for up to 71 classes
    for rule in ("predict", "card", "explain", "measure_saliency", "baseline_reference"):
        assert stated[rule]["mem_mb"] >= 4000 and stated[rule]["gpu"] == 1, rule


def test_only_jobs_of_seconds_are_local():
    text = "\n".join(file.read_text() for file in (PROJECT / "rules").glob("*.smk"))
    assert set(re.findall(r"rule (\w+):(?:(?!\nrule ).)*?localrule: True", text, re.S)) == LOCAL
    assert "localrules:" not in (PROJECT / "Snakefile").read_text()


def test_snakemakes_default_job_rate_limit_is_the_one_that_is_removed():
    """disable_job_rate_limit depends on these names and this default of Snakemake."""
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(str(default)))
    assert (limiter.max_jobs, limiter.timespan) == (100, 1)
    assert "self.job_rate_limiter = " in inspect.getsource(JobScheduler.__init__)
    assert "self.job_rate_limiter is not None" in inspect.getsource(JobScheduler.schedule)


@pytest.mark.workflow
def test_a_folder_without_config_yaml_has_the_defaults(tmp_path):
    folder = copy_project(tmp_path / "project")
    (folder / "config.yaml").unlink()
    (folder / "small.yaml").write_text("results: out\ndatasets: [simulated]\nsimulated: {records: 20}\n")
    Workflow(folder, (folder / "small.yaml",)).run("out/simulated/records.parquet")
    assert (folder / "out/simulated/records.parquet").is_file()
