"""A small model made by the stages of the workflow: simulated records, pages, images, a training, scores, a folder."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.serve_load import tiny_model
from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.cli import main
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.evaluate.scores import evaluate_predictions
from ecgpipe.imaging.pages import RenderedPages
from ecgpipe.imaging.shard import make_images
from ecgpipe.models.card import save_model
from ecgpipe.render.shard import render_shard
from ecgpipe.serve.server import LocalPage
from ecgpipe.train.engine import train_run
from ecgpipe.train.predict import predict_run
from ecgpipe.train.prepare import prepare_run

CLASSES = ("NORM", "MI")
RECORDS = 24
DPI = 130


@dataclass(frozen=True)
class Made:
    """Everything that the stages left behind.

    Attributes:
        source: folder of the records.
        paths: record id -> path of the record below it.
        pages: record id -> PNG file.
        images: record id -> uint8 (size, size).
        predictions: of validation and test records.
        model: the saved model's folder.
    """

    source: Path
    paths: dict[str, str]
    pages: dict[str, bytes]
    images: dict[str, np.ndarray]
    predictions: Predictions
    run: Path
    model: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("predict")
    assert main(["simulate", str(folder / "raw"), "--records", str(RECORDS), "--seed", "1"]) == 0
    paths = {f"{i:05d}": f"records100/00000/{i:05d}_lr" for i in range(1, RECORDS + 1)}
    frame = pd.DataFrame({"record_id": list(paths), "path": list(paths.values())})
    render, preprocess = RenderConfig(dpi=DPI), PreprocessConfig()
    pages_file, problems = folder / "pages.parquet", folder / "problems.parquet"
    assert render_shard(frame, folder / "raw", 100, render, pages_file, problems, title="render") == RECORDS
    images_file, index = folder / "images.npy", folder / "index.parquet"
    drawn = RenderedPages(frame, folder / "raw", 100, render.model_dump(mode="json"))
    make_images(drawn, preprocess, images_file, index, problems, title="preprocess")
    ids = IMAGE_INDEX.read(index)["record_id"].tolist()
    roles = ["train" if i < 12 else "validation" if i < 18 else "test" for i in range(len(ids))]
    run = folder / "run"
    prepare_run(
        run,
        dataset="simulated",
        protocol="patient",
        variant="resnet10t",
        seed=0,
        classes=CLASSES,
        task="single",
        record_ids=ids,
        roles=roles,
        targets=np.eye(2, dtype=np.uint8)[np.arange(len(ids)) % 2],
        images={images_file: ids},
        model=ModelConfig(image_size=64),
        train=TrainConfig(epochs=1, warmup_epochs=0, batch_size=6),
        policy="single",
        preprocess=preprocess,
        drawing={"render": render.model_dump(mode="json"), "sampling_rate": 100, "derive_leads": False},
    )
    train_run(run)
    items, logits = predict_run(run)
    predictions = Predictions(items.record_ids, np.array(ROLES)[items.roles], logits, items.targets, CLASSES, "single")
    predictions.write(run / "predictions.parquet")
    test, validation = predictions.of_role("test"), predictions.of_role("validation")
    metrics = evaluate_predictions(test, test.record_ids, EvaluateConfig(resamples=100), validation)
    (run / "metrics.json").write_text(json.dumps(metrics))
    return Made(
        source=folder / "raw",
        paths=paths,
        pages={page.record_id: page.image for page in read_pages(pages_file)},
        images=dict(zip(ids, unpack(np.array(open_images(images_file))), strict=True)),
        predictions=Predictions.read(run / "predictions.parquet"),
        run=run,
        model=save_model(run),
    )


@pytest.fixture(scope="session")
def served(made):
    """The local page of that model, on a free port."""
    with running(LocalPage(made.model, port=0, max_bytes=3_000_000, threads=1)) as page:
        yield page


@pytest.fixture(scope="session")
def recording_model(tmp_path_factory):
    """The folder of a signal model with random weights."""
    calibration = Calibration(method="platt", scale=(1.0, 1.0), offset=(0.0, 0.0), fitted_on="validation", records=77)
    return tiny_model(tmp_path_factory.mktemp("recordings") / "model", calibration)


@pytest.fixture(scope="session")
def served_recordings(recording_model):
    """The local page of that model, reachable from the network."""
    with running(LocalPage(recording_model, host="0.0.0.0", port=0, threads=1)) as page:
        yield page


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Status, output and messages of ``ecgpipe predict``."""
    status = main(["predict", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@contextmanager
def running(page: LocalPage):
    """Serve a page in a thread."""
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    while not page.server.started:
        time.sleep(0.02)
    yield page
    page.stop()
    thread.join(20)
    assert not thread.is_alive() and not page.worker.process.is_alive()
