"""Every command of the documentation runs, or at least its arguments are valid."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest

from ecgpipe.cli.main import build_parser
from tests.conftest import PROJECT
from tests.docs.commands import all_commands, commands_of, pages
from tests.docs.conftest import RUN
from tests.workflow.conftest import ENVIRONMENT

pytestmark = pytest.mark.docs

NOT_RUN = {
    r"ecgpipe download": "downloads gigabytes; only its arguments are parsed",
    r"ecgpipe serve": "runs until it is stopped (tests/predict); only its arguments are parsed",
    r"pip install": "downloads packages, as `make package-test` does; its extras are checked",
    r"(podman|docker|apptainer) ": "needs a container engine",
    r"snakemake .*--sdm apptainer": "needs Apptainer even for a plan",
    r"ecgpipe bench": "takes minutes; only its arguments are parsed",
    r"source ": "sets up a shell",
    r".*\[--|.*\.\.\.$": "a synopsis, not a command",
}
"""Beginning of a command to the reason why it is not run."""

SMALLER = (
    (r"MODEL_DIR|RUN_DIR/model", f"{RUN}/model"),
    (r"RUN_DIR", RUN),
    (r"results/ptb-xl/folds/\w+/seed-0", RUN),
    (r"results/demo/simulated/\w+/\w+/seed-0", RUN),
    (r"results/(a|b|old|new)\b", "results/tiny"),
    (r"claims results$", "claims results/tiny"),
    (r"publish results(/real[\w-]*)? ", "publish results/tiny "),
    (r"simulate \S+ --records \d+", "simulate data/simulated --records 20"),
    (r"--min-records 50", "--min-records 2"),
    (r"--image-size \d+", "--image-size 96"),
)
"""Values of placeholders, and smaller settings for commands that take minutes."""

SOURCES = (
    (r"source: (DIR|/data/ptb-xl)(, sampling_rate: 500)?", "source: raw, sampling_rate: 100"),  # it has no records500/
    (
        r"(external\.yaml.*)'cardiac_images=\{source: [^}]*\}'",
        r"\1'datasets=[ptb-xl, simulated]' 'benchmark={external: [{from: ptb-xl, to: simulated}]}'",
    ),
    (r"cardiac_images=\{source: [^}]*\}", "datasets=[ptb-xl]"),
    (r"(--configfile config/protocol\.yaml) results/\S+", r"\1"),  # the result of a search that has not been run
)
"""The same for Snakemake; the image dataset is not available here."""


PLANNED: set[str] = set()


def run(command: str, project, accepted=(0,)) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env={**ENVIRONMENT, "PATH": f"{sys.prefix}/bin:{ENVIRONMENT['PATH']}", "PYTHONPATH": f"{project}/src"},
        capture_output=True,
        text=True,
    )
    assert done.returncode in accepted, f"{command}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return done.stdout


def replaced(command: str, pairs) -> str:
    for pattern, text in pairs:
        command = re.sub(pattern, text, command)
    return command


def check_arguments(command: str) -> None:
    """Check the arguments of a command that is not run."""
    words = shlex.split(command.partition(" > ")[0])
    if words[0] == "ecgpipe" and "[" not in command and "..." not in command:
        build_parser().parse_args(words[1:])
    if words[:2] == ["pip", "install"]:
        extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = {name for part in re.findall(r"\[([\w,]+)\]", command) for name in part.split(",")}
        assert named <= set(extras)


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=f"{page}: {command}") for page, command in all_commands()]
)
def test_the_command_runs(command, project):
    if any(re.match(pattern, command) for pattern in NOT_RUN):
        check_arguments(command)
        return
    program = command.split(" ")[0]
    if program == "ecgpipe":
        own = replaced(command, SMALLER)
        if made := re.match(r"ecgpipe (?:simulate|new-dataset|new-model) (\S+)", own):
            shutil.rmtree(project / made[1], ignore_errors=True)
        # doctor exits with 1 if something does not fit this machine
        run(f"python -m {own}", project, (0, 1) if "doctor" in own else (0,))
    elif program == "snakemake":
        planned = re.sub(r" -n(?= )", "", replaced(command, SOURCES))
        planned = planned.replace("snakemake", "python -m snakemake -n", 1)
        planned = re.sub(r" --cores \d+", "", planned)  # no plan depends on it, so that each is made once
        planned += "" if "profiles/slurm" in planned else " --cores 1"
        if planned not in PLANNED:
            run(planned, project)
            PLANNED.add(planned)
    elif program == "make":
        run(command.replace("make", "make -n", 1), project)
    elif command.startswith("python scripts/plan.py"):
        run(command, project)
    elif program == "python":
        script = re.match(r"python (-m [\w.]+|\S+\.py)( [a-z]\w*(?= --))?", command)
        shown = run(f"{script[0]} --help", project)
        for option in re.findall(r"--[\w-]+", command):
            assert option in shown, option
    else:
        pytest.fail(f"unknown program: {command}")


def test_all_pages_have_commands_and_all_exceptions_are_needed():
    commands = [command for _, command in all_commands()]
    assert len(commands) > 60
    assert {page.name for page in pages() if commands_of(page)} >= {"README.md", "install.md", "own-model.md"}
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in commands) or "serve" in pattern, pattern


def test_the_library_page_s_code_runs(project):
    code = "\n".join(re.findall(r"```python\n(.*?)```", (PROJECT / "docs/library.md").read_text(), re.S))
    shutil.rmtree(project / "made", ignore_errors=True)
    checks = "\nassert image.shape == (640, 640) and picture.shape[2] == 3 and (prediction.probabilities >= 0).all()"
    (project / "library.py").write_text(replaced(code, SMALLER) + checks)
    run("python library.py", project)


def test_the_notebook_executes(project):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PROJECT / "docs/examples/library.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]  # stored without outputs
    for cell in notebook.cells:
        cell.source = replaced(cell.source, SMALLER)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(project)}}).execute()
    pictures = [out for cell in notebook.cells for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
    assert len(pictures) >= 3


def test_the_site_builds_in_strict_mode(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=PROJECT, env={**ENVIRONMENT, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="?(?:https?:)?//')  # links may lead out
    assert not [page.name for page in (tmp_path / "site").glob("*.html") if fetched.search(page.read_text())]
