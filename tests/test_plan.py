"""`make plan`: a line per rule with the number of jobs and the reasons."""

import subprocess
import sys

import pytest

from scripts.plan import changed_settings, short_reasons
from tests.conftest import PROJECT

SNAKEFILE = """
configfile: "config.yaml"
rule all:
    input: expand("{name}.joined", name=["a", "b"])
rule make:
    output: "{name}.made"
    params: recipe=lambda wildcards: {"epochs": config["epochs"], "rate": 1}, code="0123456789abcde0"
    message: "Making {wildcards.name}"
    shell: "touch {output}"
rule join:
    input: "{name}.made", "source.txt"
    output: "{name}.joined"
    shell: "touch {output}"
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "config.yaml").write_text("epochs: 6\n")
    (tmp_path / "source.txt").touch()
    return tmp_path


def plan(project, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(PROJECT / "scripts/plan.py"), *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


def lines(done: subprocess.CompletedProcess) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.workflow
def test_the_plan_of_finished_and_of_changed_results(project):
    subprocess.run([sys.executable, "-m", "snakemake", "--cores", "1", "-q", "all"], cwd=project, check=True)
    assert lines(plan(project)) == ["Nothing to do: everything is up to date."]
    (project / "a.joined").unlink()
    (project / "config.yaml").write_text("epochs: 7\n")
    assert lines(plan(project)) == [
        "rule jobs why",
        "make 2 epochs: 6 -> 7",
        "join 2 not made yet (1); after the jobs above (1)",
        "total 4",
    ]
    assert not (project / "a.joined").exists()
    failed = plan(project, "nothing")
    assert failed.returncode == 1 and "nothing" in failed.stderr and "Traceback" not in failed.stderr


def test_reasons_in_few_words():
    assert short_reasons("Missing output files: a; Input files updated by another job: b, c") == ["not made yet"]
    assert short_reasons("Input files updated by another job: b, c") == ["after the jobs above"]
    assert short_reasons("Updated input files: data/a.csv") == ["changed file data/a.csv"]
    assert short_reasons("Updated input files: a, b") == ["2 changed files"]
    assert short_reasons("Code has changed since last execution") == ["changed code"]


def test_changed_settings():
    union = "Union of exclusive params before and now across all output: "
    assert changed_settings(f"{union}before: '0123456789abcde0' now: '0123456789abcde1' ") == ["changed code or files"]
    old, new = {"a": 1, "b": 2, "c": 3, "d": 4, "e": None}, {"a": 2, "b": 3, "c": 4, "d": 5, "e": None}
    changes = ["a: 1 -> 2", "b: 2 -> 3", "c: 3 -> 4", "2 more changes"]
    assert changed_settings(f"{union}before: {old},'0123456789abcde0' now: {new},'0123456789abcde1' ") == changes
    assert changed_settings("something else") == ["changed settings"]


def test_the_makefile_announces_the_installation():
    recipe = (PROJECT / "Makefile").read_text().split("\n$(READY):")[1].split("\n\n")[0].splitlines()
    said, pip = (next(i for i, line in enumerate(recipe) if word in line) for word in ("GB", "pip install"))
    assert said < pip and recipe[said].startswith("\t@echo")
    for arguments in ((), ("CONFIG=config/demo.yaml",)):
        done = subprocess.run(["make", "-n", "plan", *arguments], cwd=PROJECT, capture_output=True, text=True)
        assert "scripts/plan.py all" in done.stdout
        assert ("--configfile config/demo.yaml" in done.stdout) == bool(arguments)
