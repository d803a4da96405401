"""Rules state what their jobs need, and only jobs of seconds run beside Snakemake itself."""

import re

from ecgpipe.doctor.profile import read_rule_resources
from tests.conftest import PROJECT

LOCAL = {"labels", "split", "audit_leaks", "prepare", "curves", "claims", "strict"}


def test_heavy_rules_state_their_resources():
    stated = read_rule_resources(PROJECT / "profiles/default")
    assert stated["train"] == {"threads": 8, "mem_mb": 8000, "runtime": 1440, "gpu": 1} == stated["train_trial"]
    assert stated["measure_saliency"]["mem_mb"] > 2900 and stated["measure_saliency"]["runtime"] > 30  # as measured
    assert stated["evaluate"]["runtime"] >= 60  # 2,000 resamples for up to 71 classes
    for rule in ("predict", "card", "explain", "baseline_reference"):
        assert stated[rule]["mem_mb"] >= 6000, rule


def test_only_jobs_of_seconds_are_local():
    text = "\n".join(file.read_text() for file in (PROJECT / "rules").glob("*.smk"))
    assert set(re.findall(r"rule (\w+):(?:(?!\nrule ).)*?localrule: True", text, re.S)) == LOCAL
    assert "localrules:" not in (PROJECT / "Snakefile").read_text()
