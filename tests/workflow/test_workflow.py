"""The whole workflow: its files, broken input and interruptions."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts.check import check_folder
from ecgpipe.artifacts.files import read_checksum
from ecgpipe.artifacts.predictions import Predictions
from tests.workflow.conftest import ENVIRONMENT, Workflow, copy_project

pytestmark = pytest.mark.workflow

RUN = "results/tiny/ptb-xl/paper/resnet10t/seed-0"


def test_every_stage_writes_its_files(finished):
    top = finished.folder
    metrics = json.loads((top / RUN / "metrics.json").read_text())
    predictions = Predictions.read(top / RUN / "predictions.parquet")
    truth, called = predictions.targets.argmax(1), predictions.probabilities.argmax(1)
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx((truth == called).mean())
    assert metrics["records"] == len(truth)
    scores = pd.read_csv(top / "results/tiny/report/scores.csv")
    assert {"accuracy", "f1_weighted", "auc_macro"} <= set(scores["metric"])
    maps = np.load(top / RUN / "saliency.npz")["maps"]
    assert maps.shape[0] == 1 and maps.shape[2:] == (64, 64)  # one method
    for rule in ("records", "labels", "render", "preprocess", "split", "prepare", "train", "evaluate", "explain"):
        assert list((top / "results/tiny/logs" / rule).rglob("*.log")), rule
        assert list((top / "results/tiny/benchmarks" / rule).rglob("*.tsv")), rule
    assert not list(top.rglob("*.partial*"))


def test_every_output_of_a_job_has_its_checksum(finished):
    top = finished.folder / "results/tiny"
    found = check_folder(top)
    assert not found.damaged and found.whole > 30
    folders = ("logs", "benchmarks", "report/tables", "report/figures")
    files = [path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()]
    files = [name for name in files if not name.startswith(folders) and not re.search(r"(^|/)(\.|tensorboard/)", name)]
    without = [name for name in files if not read_checksum(top / name)]
    assert all(name.endswith(("model/README.md", "model/config.json", "SHA256SUMS.txt")) for name in without), without


def test_the_report_needs_no_network_and_shows_every_image(finished):
    page = (finished.folder / "results/tiny/report/index.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:|//|(?!data:|#)[a-z./])", page)
    assert page.count("data:image/webp") >= 6  # five example pages and a sheet of overlays
    assert page.count("<svg") >= 5
    assert "resnet10t" in page


def test_snakemakes_own_report(workflow):
    workflow.run("--report", "report.zip")
    with zipfile.ZipFile(workflow.folder / "report.zip") as bundle:
        names = " ".join(bundle.namelist())
    for file in ("index.html", "scores.csv", "claims.csv", "data.csv", "classes.csv", "saliency.png"):
        assert file in names, file


def break_records(raw: Path) -> dict[str, str]:
    """Break three records; returns record -> problem."""
    (raw / "00010_lr.dat").write_bytes((raw / "00010_lr.dat").read_bytes()[:-500])
    (raw / "00011_lr.hea").write_text("nonsense\n")
    (raw / "00012_lr.dat").unlink()
    return {"00010": "truncated", "00011": "unreadable-header", "00012": "missing-file"}


def test_broken_records_are_left_out(workflow):
    broken = break_records(workflow.folder / "raw/records100/00000")
    results = workflow.folder / "results/tiny/ptb-xl"
    workflow.run("results/tiny/ptb-xl/images/00000.npy")  # the shard of all three
    tables = [results / "records.problems.parquet", results / "images/00000.problems.parquet"]
    problems = pd.concat([pd.read_parquet(table) for table in tables])
    assert dict(zip(problems["record_id"], problems["problem"], strict=True)) == broken
    assert not set(broken) & set(pd.read_parquet(results / "images/00000.index.parquet")["record_id"])


@pytest.mark.long
def test_broken_records_are_in_the_report(workflow):
    broken = break_records(workflow.folder / "raw/records100/00000")
    workflow.run("all")
    problems = pd.read_csv(workflow.folder / "results/tiny/report/problems.csv", dtype=str)
    assert dict(zip(problems["record_id"], problems["problem"], strict=True)) == broken
    assert "00010_lr.dat" in problems.loc[problems["record_id"] == "00010", "file"].item()


def test_strict_stops_at_the_first_broken_record(workflow):
    raw = workflow.folder / "raw/records100/00000"
    (raw / "00010_lr.dat").write_bytes(b"")
    strict = Workflow(workflow.folder, workflow.configs, (*workflow.overrides, "strict=true"))
    done = strict.run("pages", check=False)
    assert done.returncode
    assert "record 00010" in done.stderr
    assert "00010_lr.dat" in done.stderr


def test_a_wrong_key_stops_before_any_job(workflow):
    workflow.replace("tiny.yaml", "epochs: 1", "epoch: 1")
    done = workflow.run("-n", "all", check=False)
    assert done.returncode
    assert "train.epoch: unknown key; did you mean epochs?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unreadable_table_is_named(workflow):
    (workflow.folder / "raw/ptbxl_database.csv").write_bytes(b"\xff\xfe\x00broken")
    done = workflow.run("splits", check=False)
    assert done.returncode
    assert "ptbxl_database.csv: not a readable CSV table" in done.stderr


def test_a_source_that_does_not_exist(workflow):
    elsewhere = Workflow(workflow.folder, workflow.configs, ("ptb_xl={source: nowhere}", "datasets=[ptb-xl]"))
    done = elsewhere.run("-n", "all", check=False)
    assert done.returncode
    assert "nowhere" in done.stdout + done.stderr
    assert "ptb_xl.source" in done.stdout + done.stderr


@pytest.mark.long
def test_killed_and_resumed_gives_the_same(finished, tmp_path):
    """SIGKILL of Snakemake and its jobs in the middle; then, after the advised --unlock, the same results."""
    folder = copy_project(tmp_path / "project")
    shutil.copytree(finished.folder / "raw", folder / "raw", copy_function=shutil.copy2)
    killed = Workflow(folder, (folder / "tiny.yaml",), finished.overrides)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "all", "--configfile", "tiny.yaml"]
    process = subprocess.Popen(
        [*command, "--config", *killed.overrides],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not list(folder.glob("results/tiny/ptb-xl/images/*.npy")):
        time.sleep(0.05)
    subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=True)
    assert process.wait() == -signal.SIGKILL
    killed.run("--unlock")
    killed.run("all")
    assert not list(folder.glob("results/**/.*partial*"))
    for name in ("weights.safetensors", "metrics.json", "run_index.npz"):
        assert (folder / RUN / name).read_bytes() == (finished.folder / RUN / name).read_bytes(), name
    assert killed.plan() == {}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(finished, tmp_path):
    """A server on the loopback address with the raw records as a zip archive, as PhysioNet packs it."""
    shutil.make_archive(str(tmp_path / "served" / "ptb-xl"), "zip", finished.folder, "raw")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/ptb-xl.zip"
        server.shutdown()


def test_a_data_set_from_its_address(finished, address, tmp_path):
    folder = copy_project(tmp_path / "project")
    settings = f"ptb_xl={{source: null, url: '{address}', shard_size: 30000}}"
    downloaded = Workflow(folder, (folder / "tiny.yaml",), (settings, "datasets=[ptb-xl]"))
    assert downloaded.plan()["download_ptbxl"] == 1
    labels = "results/tiny/ptb-xl/labels.parquet"
    downloaded.run(labels)
    assert pd.read_parquet(folder / labels).equals(pd.read_parquet(finished.folder / labels))
    (signal,) = (folder / "resources").rglob("00001_lr.dat")
    assert signal.read_bytes() == (finished.folder / "raw/records100/00000/00001_lr.dat").read_bytes()
    assert downloaded.plan(labels) == {}
    downloaded.replace("src/ecgpipe/acquire/http.py", "TRIES = 6", "TRIES = 7")  # the files would be the same
    assert not {"download_ptbxl", "unpack_ptbxl"} & downloaded.plan(labels).keys()
    elsewhere = Workflow(folder, downloaded.configs, (settings.replace("ptb-xl.zip", "other.zip"), "datasets=[ptb-xl]"))
    assert elsewhere.plan(labels)["unpack_ptbxl"] == 1
    done = elsewhere.run(labels, check=False)
    assert done.returncode
    assert "other.zip: the server says 404" in done.stderr


@pytest.mark.realdata
@pytest.mark.long
def test_a_few_dozen_real_records(ptbxl_copy, tmp_path):
    folder = copy_project(tmp_path / "project")
    config = folder / "real.yaml"
    config.write_text(
        "labels: {policy: multilabel}\n"
        "ptb_xl: {limit: 100}\n"
        "split: {paper_validation: 0.3}\n"
        "model: {image_size: 64}\n"
        "train: {epochs: 1, warmup_epochs: 0}\n"
        "evaluate: {resamples: 100}\n"
        "benchmark: {ptb-xl: {protocols: [paper], models: [swin_lgf_fpn]}}\n"
        "explain: {variants: [swin_lgf_fpn], measured_per_class: 1, curve_steps: 2}\n"
        "baselines: {enabled: [majority]}\n"
    )
    subset = folder / "config" / "subset.yaml"
    workflow = Workflow(folder, (subset, config), (f"ptb_xl={{source: {ptbxl_copy}}}",))
    workflow.run("all")
    page = (folder / "results/subset/report/index.html").read_text()
    assert "Swin-LGF-FPN" in page
    assert len(pd.read_parquet(folder / "results/subset/ptb-xl/records.parquet")) == 100
    metrics = json.loads((folder / "results/subset/ptb-xl/paper/swin_lgf_fpn/seed-0/metrics.json").read_text())
    assert metrics["task"] == "multilabel"
    assert metrics["records"] == pytest.approx(30, abs=3)
