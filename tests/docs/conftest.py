"""One project in which the documentation's commands run: finished tiny results, records, pages, a user's data."""

import csv
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import PROJECT
from tests.workflow.conftest import Workflow, finished  # noqa: F401

RUN = "results/tiny/ptb-xl/paper/resnet10t/seed-0"


def yaml_of(page: str, first: str) -> str:
    """The YAML block of a page that starts with this line."""
    blocks = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs" / page).read_text(), re.S)
    return next(block for block in blocks if block.startswith(first))


@pytest.fixture(scope="session")
def project(finished: Workflow, tmp_path_factory) -> Path:  # noqa: F811
    """The folder, one for each process of pytest-xdist; it contains what the commands name."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(finished.folder, folder, copy_function=shutil.copy2, symlinks=True)
    for file in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(PROJECT / file, folder)
    shutil.copytree(PROJECT / "docs", folder / "docs", dirs_exist_ok=True)  # commands write into it
    for part in ("benchmarks", "tests", "src", "profiles", "config", "envs"):
        if not (folder / part).exists():
            (folder / part).symlink_to(PROJECT / part)
    (folder / "data").mkdir()
    (folder / "data/ptb-xl").symlink_to(folder / "raw")
    records = sorted((folder / "raw/records100/00000").glob("*.hea"))

    clinic = folder / "clinic/2023/ward-1"  # docs/own-data.md: signals
    clinic.mkdir(parents=True)
    rows = [("path", "label", "patient", "year")]
    for i, header in enumerate(records[:12]):
        for file in (header, header.with_suffix(".dat")):
            shutil.copy2(file, clinic)
        rows.append((f"2023/ward-1/{header.stem}", ("SR", "AF", "AF;LBBB")[i % 3], f"p{i:02d}", "2023"))
    with open(folder / "clinic/labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (folder / "clinic.yaml").write_text(yaml_of("own-data.md", "# clinic.yaml"))

    from ecgpipe import RenderConfig, read_signal, render_page

    page = Image.fromarray(render_page(*read_signal(records[0].with_suffix(""), "1"), RenderConfig()).image)
    for name in ("photo.jpg", "scan.pdf", "page.tif", "report.pdf"):  # docs/predict.md, docs/reader.md
        page.save(folder / name)
    for name in ("folder", "scans"):
        (folder / name).mkdir()
        page.save(folder / name / "page.png")
    for place in ("records", "records100/00000"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for file in (records[0], records[0].with_suffix(".dat")):
            shutil.copy2(file, folder / place)
    with zipfile.ZipFile(folder / "scans.zip", "w") as archive:  # docs/own-data.md: images
        for name in ("normal/0001.png", "normal/0002.png", "infarction/0001.png", "infarction/0002.png"):
            archive.write(folder / "folder/page.png", name)
    (folder / "scans.yaml").write_text(yaml_of("own-data.md", "# scans.yaml"))
    return folder
