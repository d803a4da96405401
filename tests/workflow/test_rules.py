"""What the rules state, and what they rely on in Snakemake."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from ecgpipe.doctor.profile import read_rule_resources
from tests.conftest import PROJECT
from tests.workflow.conftest import ENVIRONMENT, Workflow, copy_project

IMPORT_WITHOUT_PYTORCH = """
import ast, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "torchvision", "timm", "lightning", "safetensors", "pytorch_grad_cam"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for script in sys.argv[1:]:
    imports = [node for node in ast.parse(open(script).read()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    try:
        exec(compile(ast.Module(imports, []), script, "exec"), {})
    except ModuleNotFoundError as error:
        sys.exit(f"{script}: {error}")
"""
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


def test_scripts_of_rules_without_pytorch_in_their_environment_import_none():
    """With `--sdm conda`, a rule that does not name envs/train.yaml has only the packages of envs/data.yaml."""
    text = "\n".join(file.read_text() for file in (PROJECT / "rules").glob("*.smk"))
    scripts = set()
    for rule in re.split(r"^ *(?:use )?rule ", text, flags=re.M)[1:]:
        script = re.search(r'"\.\./(scripts/\w+\.py)"', rule)
        if script and "envs/train.yaml" not in rule:
            scripts.add(str(PROJECT / script[1]))
    assert len(scripts) > 20
    command = [sys.executable, "-c", IMPORT_WITHOUT_PYTORCH, *sorted(scripts)]
    environment = ENVIRONMENT | {"PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_snakemakes_default_job_rate_limit_is_the_one_that_is_removed():
    """disable_job_rate_limit depends on these names and this default of Snakemake."""
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(str(default)))
    assert (limiter.max_jobs, limiter.timespan) == (100, 1)
    assert "self.job_rate_limiter = " in inspect.getsource(JobScheduler.__init__)
    assert "self.job_rate_limiter is not None" in inspect.getsource(JobScheduler.schedule)


PACKAGES = {"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}
PACKAGES |= {"pytorch_grad_cam": "grad-cam", "markupsafe": "jinja2", "huggingface_hub": "timm"}


@pytest.mark.parametrize("name", ["data", "train"])
def test_environments_name_the_packages_that_their_scripts_import(name):
    """At the top of a module; what functions import may be optional."""
    listed = yaml.safe_load((PROJECT / f"envs/{name}.yaml").read_text())["dependencies"][-1]["pip"]
    there = {re.match(r"[\w-]+", text)[0] for text in listed}
    lacking = {}
    for rule, text in rule_texts().items():
        script = re.search(r'"\.\./(scripts/\w+\.py)"', text)
        if script and ("envs/train.yaml" in text) == (name == "train"):
            packages = {PACKAGES.get(module, module) for module in modules_of(PROJECT / script[1])}
            lacking |= {rule: packages - there} if packages - there else {}
    assert lacking == {}


def rule_texts() -> dict[str, str]:
    begin = re.compile(r"^ *(?:use rule \w+ as|rule) (?=\w+(?: with)?:)", re.M)
    rules = [rule for file in (PROJECT / "rules").glob("*.smk") for rule in begin.split(file.read_text())[1:]]
    return {re.match(r"\w+", rule)[0]: rule for rule in rules}


def modules_of(script: Path) -> set[str]:
    """Modules of other packages that a script imports at its top, directly or through the library."""
    found, files, waiting = set(), set(), {script}
    while waiting:
        files.add(file := waiting.pop())
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{name}" for name in names)]
            for parts in (name.split(".") for name in names):
                if parts[0] != "ecgpipe":
                    found.add(parts[0])
                paths = (PROJECT / "src" / Path(*parts[:end]) for end in range(1, len(parts) + 1))
                own = {each for path in paths for each in (path / "__init__.py", path.with_suffix(".py"))}
                waiting |= {each for each in own if each.is_file()} - files
    return found - set(sys.stdlib_module_names)


def test_rules_that_read_the_images_of_a_run_name_its_further_pages_too():
    rules = [text for text in rule_texts().values() if "run_index.npz" in text and "weights.safetensors" in text]
    assert len(rules) == 6
    assert all('windows=windows("npy")' in text for text in rules)


def test_rules_that_read_raw_files_run_again_after_a_change_of_one():
    rules = {name for name, text in rule_texts().items() if "raw_files" in text}
    readers = {"audit_sketch", "baseline_signals", "render", "digitize", "preprocess", "window"}
    assert rules == readers | {"box_pages", "reader_signals"}


@pytest.mark.workflow
def test_a_folder_without_config_yaml_has_the_defaults(tmp_path):
    folder = copy_project(tmp_path / "project")
    (folder / "config.yaml").unlink()
    (folder / "small.yaml").write_text("results: out\ndatasets: [simulated]\nsimulated: {records: 20}\n")
    Workflow(folder, (folder / "small.yaml",)).run("out/simulated/records.parquet")
    assert (folder / "out/simulated/records.parquet").is_file()
