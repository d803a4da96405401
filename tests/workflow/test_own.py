"""User datasets through every stage: the examples of docs/own-data.md, with tiny settings and data."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page
from tests.conftest import PROJECT
from tests.workflow.conftest import ENVIRONMENT, Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]

PAGE = (PROJECT / "docs/own-data.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines() if line
]
EIGHT = ["II", "I", *LEADS[6:]]
RECORDS = 30


def make_clinic(raw: Path, folder: Path) -> None:
    """Records at two rates, some with eight leads in another order, some broken; the table of the docs."""
    rows = ["path,label,patient,year"]
    for number in range(RECORDS):
        signal, _ = read_signal(raw / f"records100/00000/{number + 1:05d}_lr", "x")
        rate = 200 if number % 3 else 100
        leads = EIGHT if number % 2 else LEADS
        chosen = np.repeat(signal[[LEADS.index(lead) for lead in leads]].T, rate // 100, axis=0)
        if number == 4:
            chosen = chosen[: 3 * rate]  # three seconds
        if number == 5:
            leads, chosen = leads[:-1], chosen[:, :-1]
        path = folder / f"2023/ward-{number % 2}" / f"{number:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"fmt": ["16"] * len(leads), "write_dir": str(path.parent)}
        wfdb.wrsamp(path.name, rate, ["mV"] * len(leads), list(leads), p_signal=chosen, **options)
        label = ["SR", "AF", "AF;LBBB", "LBBB;other"][number % 4]
        rows.append(f"{path.relative_to(folder).as_posix()},{label},p{number // 2},2023")
    rows.append("2023/ward-9/9999,SR,p99,2023")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def make_scans(raw: Path, archive: Path) -> None:
    """Pages in two class folders of an archive, one of them twice."""
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(24):
            signal, rate = read_signal(raw / f"records100/00000/{number + 1:05d}_lr", "x")
            content = render_page(signal, rate, RenderConfig(dpi=100)).encode()
            file.writestr(f"{'infarction' if number % 2 else 'normal'}/{number:04d}.png", content)
            if number == 2:
                file.writestr("normal/copy.png", content)


@pytest.fixture(scope="module")
def documented(tmp_path_factory) -> Path:
    """A project in which every command of docs/own-data.md was run."""
    folder = copy_project(tmp_path_factory.mktemp("own") / "project")
    simulate_dataset(folder / "raw", records=RECORDS, seed=5)
    make_clinic(folder / "raw", folder / "clinic")
    make_scans(folder / "raw", folder / "scans.zip")
    for name, text in re.findall(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```", PAGE, re.M | re.S):
        (folder / name).write_text(text)
    for command in COMMANDS:
        # the tiny settings go before the page's, which win
        line = command.replace("--cores 8", "--cores 2").replace("--configfile ", "--configfile tiny.yaml ")
        module, *arguments = line.split()
        environment = {**ENVIRONMENT, "PYTHONPATH": str(folder / "src")}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return folder


def test_the_page_has_commands_for_each_kind():
    assert {command.split()[0] for command in COMMANDS} == {"ecgpipe", "snakemake"}
    assert sum("clinic" in command for command in COMMANDS) >= 2
    assert sum("scans" in command for command in COMMANDS) >= 2


def test_signals_end_to_end(documented):
    top = documented / "results/clinic"
    problems = pd.read_csv(top / "report/problems.csv", dtype=str)
    assert dict(zip(problems["record_id"], problems["problem"], strict=True)) == {
        "2023/ward-1/0005": "missing-leads",
        "2023/ward-9/9999": "missing-file",
    }
    labels = Labels.read(top / "clinic/labels.parquet")
    assert labels.classes == ("SR", "AF", "LBBB")  # as the configuration has them; `other` does not count
    assert labels.targets.sum(axis=0).tolist() == [8, 15, 14]
    split = json.loads((top / "clinic/splits/patient/seed-0.json").read_text())
    assert sum(split["records"].values()) == RECORDS - 1  # with 0004, which is drawn as far as it goes
    assert split["leaks"]["patient"] == 0
    metrics = json.loads((top / "clinic/patient/resnet34/seed-0/metrics.json").read_text())
    assert metrics["task"] == "multilabel"
    assert metrics["groups"] < metrics["records"] <= 2 * metrics["groups"]  # two records a patient
    forms = json.loads((top / "clinic/audit/audit.json").read_text())["properties"]
    assert set(forms["sampling rate"]) == {"100 Hz", "200 Hz"}
    assert (top / "clinic/patient/resnet34/seed-0/saliency.png").is_file()
    page = (top / "report/index.html").read_text()
    assert "clinic" in page and "2023/ward-1/0005" in page


def test_images_from_an_archive_end_to_end(documented):
    top = documented / "results/scans/scans"
    audit = json.loads((top / "audit/audit.json").read_text())
    assert (audit["records"], audit["distinct"], audit["unreadable"]) == (25, 24, 0)
    split = json.loads((top / "splits/unique/seed-0.json").read_text())
    assert split["leaks"]["identical file"] == 0
    assert json.loads((top / "unique/resnet34/seed-0/metrics.json").read_text())["task"] == "single"
    assert "Scans of the outpatient clinic" in (documented / "results/scans/report/index.html").read_text()
    assert sorted(path.name for path in documented.glob("scans*")) == ["scans.yaml", "scans.zip"]  # nothing unpacked


@pytest.fixture
def changed(documented, tmp_path) -> Path:
    return Path(shutil.copytree(documented, tmp_path / "project", copy_function=shutil.copy2))


def plan(folder: Path, name: str, *overrides: str) -> Counter:
    return Workflow(folder, (folder / "tiny.yaml", folder / name), overrides).plan()


def test_one_changed_file_runs_its_shard_again(changed):
    assert plan(changed, "clinic.yaml") == plan(changed, "scans.yaml") == {}
    # in three shards: everything is planned anew, then one file changes
    sharded = Workflow(changed, (changed / "tiny.yaml", changed / "clinic.yaml"), ("own={clinic: {shards: 3}}",))
    sharded.run("all", "--until", "render", "audit_sketch")
    file = changed / "clinic/2023/ward-0/0006.dat"
    os.utime(file, (time.time() + 5, time.time() + 5))
    assert sharded.plan("all", "--until", "render", "audit_sketch") == {"render": 1, "audit_sketch": 1}


def test_a_label_and_an_archive_packed_again(changed):
    table = changed / "clinic/labels.csv"
    table.write_text(table.read_text().replace("0000,SR", "0000,AF"))
    assert plan(changed, "clinic.yaml")["records"] == 1
    with zipfile.ZipFile(changed / "scans.zip") as old:
        content = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(changed / "scans.zip", "w", zipfile.ZIP_DEFLATED) as new:
        for name in reversed(content):
            new.writestr(name, content[name])
    assert plan(changed, "scans.yaml") == {}
    with zipfile.ZipFile(changed / "scans.zip", "a") as new:
        new.writestr("normal/more.png", content["normal/0000.png"])
    listed = {
        "records",
        "labels",
        "render",
        "preprocess",
        "audit_sketch",
        "audit_join",
        "split",
        "train",
        "report",
    }
    assert listed <= set(plan(changed, "scans.yaml"))


def test_a_mistake_in_the_table_stops_with_its_place(changed):
    table = changed / "clinic/labels.csv"
    table.write_text(table.read_text().replace("path,label", "path,lable"))
    workflow = Workflow(changed, (changed / "tiny.yaml", changed / "clinic.yaml"))
    done = workflow.run("all", check=False)
    assert done.returncode
    assert "clinic/labels.csv: has no column 'label'; did you mean lable?" in done.stderr
    (changed / "clinic").rename(changed / "elsewhere")
    done = workflow.run("-n", "all", check=False)
    assert "own.clinic.source: clinic: no such folder or zip archive" in done.stdout + done.stderr
