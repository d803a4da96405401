"""A small results folder with all that the report reads: real pages and images, and answers of no real model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.pages import StoredPage, StoredPages, read_pages, write_pages
from ecgpipe.artifacts.predictions import (
    CLAIM_COLUMNS,
    COMPARISON_COLUMNS,
    PROTOCOL_COLUMNS,
    ExternalLogits,
    Predictions,
    write_comparisons,
)
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.artifacts.tables import IMAGE_INDEX, RECORDS, Labels, ProblemList
from ecgpipe.bootstrap import bootstrap_interval
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.external import shared_classes
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import RecordError
from ecgpipe.evaluate.claims import check_claims
from ecgpipe.evaluate.compare import compare_models
from ecgpipe.evaluate.evidence import gather_evidence_from_folder
from ecgpipe.evaluate.external import evaluate_external
from ecgpipe.evaluate.model_scores import read_reported
from ecgpipe.evaluate.protocols import compare_protocols
from ecgpipe.evaluate.scores import evaluate_predictions
from ecgpipe.evaluate.shared import SharedPredictions, share_external, share_own
from ecgpipe.explain.measure_run import group_means
from ecgpipe.imaging.shard import make_images
from ecgpipe.paper import load_paper
from ecgpipe.render.shard import render_shard
from ecgpipe.report.build import Inputs

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
HEARTS = ("Normal", "Abnormal Heartbeat")
EVIL_ID = "</script><img src=x onerror=alert(1)>"
EVIL_CLASS = '"><b onclick=alert(2)>$\\frac{$'
"""As they may stand in a table: the second is no formula of matplotlib's, either."""
COUNT = 12
SETTINGS = {
    "datasets": ["simulated", "cardiac-images"],
    "ptb_xl": {"source": "/home/someone/data/ptb-xl-1.0.3.zip"},
    "resources": "/home/someone/resources",
    "explain": {"variants": ["resnet34"]},
    "report": {"title": "A | B"},
    "benchmark": {
        "simulated": {"protocols": ["patient"], "models": ["resnet34", "swin"], "seeds": [0, 1]},
        "cardiac-images": {"protocols": ["paper"], "models": ["resnet34"], "seeds": [0]},
    },
}


def make_results(folder: Path, hearts: tuple[str, str] = HEARTS, first_id: str = "HB(0)") -> Inputs:
    """Simulated records with two models, of which one lacks its second seed, and a class without records; and images
    whose pages have no boxes, with two classes and a first id."""
    simulate_dataset(folder / "simulated/data", records=COUNT, seed=2)
    records, _ = list_ptbxl_records(folder / "simulated/data", 100, 1000)
    pages, images = folder / "simulated/pages", folder / "simulated/images"
    for place in (pages, images, folder / "cardiac-images/pages", folder / "cardiac-images/images"):
        place.mkdir(parents=True)
    render_shard(
        records, folder / "simulated/data", 100, RenderConfig(dpi=72), pages / "00000.parquet",
        pages / "00000.problems.parquet", title="",
    )  # fmt: skip
    unlabelled = [
        StoredPage(f"HB({row})" if row else first_id, page.image, "")
        for row, page in enumerate(read_pages(pages / "00000.parquet"))
    ]
    write_pages(unlabelled, folder / "cardiac-images/pages/00.parquet")
    faults = ProblemList("render", False)
    faults.add(RecordError(first_id.replace("0", "99"), "HB(99).jpg", "missing-file", "cannot be read <b>at all</b>"))
    faults.write(folder / "cardiac-images/pages/00.problems.parquet")
    ids = records["record_id"].to_numpy(str)
    image_ids = np.array([page.record_id for page in unlabelled])
    own = records.assign(record_id=image_ids, patient_id=None, shard="00")
    make_images(
        StoredPages([pages / "00000.parquet"]), PreprocessConfig(size=160), images / "00000.npy",
        images / "00000.index.parquet", images / "00000.problems.parquet", title="",
    )  # fmt: skip
    # the same images under other names: the report shows them as they are, however they were made
    read = folder / "cardiac-images/images"
    shutil.copy(images / "00000.npy", read / "00.npy")
    shutil.copy(images / "00000.problems.parquet", read / "00.problems.parquet")
    index = IMAGE_INDEX.read(images / "00000.index.parquet")
    assert index["record_id"].tolist() == ids.tolist()
    IMAGE_INDEX.write(index.assign(record_id=image_ids), read / "00.index.parquet")
    for name, table in (("simulated", records), ("cardiac-images", own)):
        base = folder / name
        RECORDS.write(table, base / "records.parquet")
        ProblemList("records", False).write(base / "records.problems.parquet")
    rng = np.random.default_rng(0)
    # HYP has no record at all
    _runs(folder, "simulated", ids, SUPERCLASSES, rng.integers(0, 4, COUNT), {"resnet34": (0, 1), "swin": (0,)}, rng)
    _runs(folder, "cardiac-images", image_ids, hearts, rng.integers(0, 2, COUNT), {"resnet34": (0,)}, rng)
    make_external(folder, hearts[0])
    make_statistics(folder, {"simulated": "patient", "cardiac-images": "paper"})
    return inputs_of(folder, ("simulated", "cardiac-images"))


def make_external(folder, normal):
    """What the rule evaluate_external makes of the models of simulated records, for images of one shared class."""
    shared = shared_classes(SUPERCLASSES, (normal, "other"), {"NORM": [normal]}, "benchmark.external.0", ("a", "b"))
    base, target = folder / "simulated/patient", folder / "cardiac-images"
    own = Predictions.read(base / "resnet34/seed-0/predictions.parquet")
    ids = RECORDS.read(target / "records.parquet")["record_id"].to_numpy(str)
    logits = ExternalLogits(ids, own.roles, -own.logits, own.classes, own.task)
    run = SharedPredictions(
        share_external(logits, Labels.read(target / "labels.parquet"), shared),
        share_own(own, shared, "source"),
        share_own(Predictions.read(target / "paper/resnet34/seed-0/predictions.parquet"), shared, "target"),
    )
    tables = [RECORDS.read(where / "records.parquet") for where in (target, folder / "simulated")]
    scores = evaluate_external({"resnet34": {0: run}}, *tables, EvaluateConfig(resamples=100))
    names = {"dataset": "simulated", "protocol": "patient", "target": "cardiac-images", "target_protocol": "paper"}
    tasks = {"source_task": "single", "target_task": "single", "classes": [one._asdict() for one in shared]}
    made = (
        {"made": "drawn from recordings", "sampling_rate": 100},
        {"made": "read from pictures", "sampling_rate": None},
    )
    images = dict(zip(("source", "target"), ({**one, "derive_leads": False} for one in made), strict=True))
    file = target / "external/paper/simulated/patient.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(names | tasks | {"images": images} | scores))


def make_statistics(folder, protocols):
    """What the rules compare_models, compare_protocols and claims make of the runs and baselines."""
    config = EvaluateConfig(resamples=100, reference="swin")
    for dataset, protocol in protocols.items():
        records = RECORDS.read(folder / dataset / "records.parquet")
        files = sorted((folder / dataset / protocol).glob("*/*/predictions.parquet"))
        baselines = [file for file in files if file.parts[-3].startswith("baseline-")]
        models = read_reported([file for file in files if file not in baselines], records)
        content = {"dataset": dataset, "protocol": protocol} | compare_models(
            models, config, read_reported(baselines, records)
        )
        write_comparisons(folder / dataset / f"comparisons/{protocol}.json", content, "comparisons", COMPARISON_COLUMNS)
        content = {"dataset": dataset} | compare_protocols({protocol: models}, config)
        write_comparisons(folder / dataset / "comparisons/protocols.json", content, "rows", PROTOCOL_COLUMNS)
    checked = check_claims(load_paper(), gather_evidence_from_folder(folder, load_paper(), config), config)
    write_comparisons(folder / "report/claims.json", checked, "claims", CLAIM_COLUMNS)


def _runs(folder, dataset, ids, classes, truth, models, rng):
    targets = np.eye(len(classes), dtype=np.uint8)[truth]
    base = folder / dataset
    Labels(ids, targets, classes, "single").write(base / "labels.parquet")
    counts = {name: int(n) for name, n in zip(classes, targets.sum(axis=0), strict=True)}
    labels = {"policy": "single", "grouping": "superclass", "kept": COUNT, "classes": counts, "dropped": {}, "rare": {}}
    (base / "labels.json").write_text(json.dumps(labels))
    protocol = "patient" if dataset == "simulated" else "paper"
    split = {
        "settings": {"validation": 0.1}, "records": {"train": 0, "validation": 0, "test": COUNT}, "classes": {},
        "deviation": 0.5, "leaks": {"patient": 0, "identical file": None, "near-identical": None},
    }  # fmt: skip
    (base / f"splits/{protocol}").mkdir(parents=True)
    (base / f"splits/{protocol}/seed-0.json").write_text(json.dumps(split))
    for variant, seeds in models.items():
        for seed in seeds:
            own = base / protocol / variant / f"seed-{seed}"
            own.mkdir(parents=True)
            logits = (1.5 * targets + rng.normal(size=targets.shape)).astype(np.float32)
            roles = np.full(COUNT, "test")
            predictions = Predictions(ids, roles, logits, targets, classes, "single")
            predictions.write(own / "predictions.parquet")
            scores = evaluate_predictions(predictions, ids, EvaluateConfig(resamples=100))
            (own / "metrics.json").write_text(json.dumps(scores))
            history = {"epoch": [1, 2], "train_loss": [2.0, 1.0], "validation_loss": [2.0, 1.5]}
            history |= {"validation_accuracy": [0.4, 0.6], "validation_auc_macro": [0.5, 0.75]}
            history |= {"images": [1000, 1000], "processor_seconds": [40.0, 60.0]}
            pd.DataFrame(history).to_csv(own / "history.csv", index=False)
            (own / "train.json").write_text(
                json.dumps(
                    {"model": {"image_size": 160, "pretrained": False, "options": {}}, "parameters": 1000, "epochs": 2,
                     "best_epoch": 1, "seconds": 3.5, "device": "cpu", "precision": "fp32"}
                )
            )  # fmt: skip
    _saliency(base / protocol / "resnet34/seed-0", dataset, protocol, ids[:3], truth[:3], classes, rng)


def _saliency(own, dataset, protocol, ids, labels, classes, rng):
    """Maps of three records; measures of two kinds, the truth known in one dataset only."""
    import cv2

    maps = rng.random((1, 3, 20, 20)).astype(np.float32)
    Saliency(
        ids, labels, np.full(3, 2), np.array([True, False, False]), np.full((3, len(classes)), 1 / len(classes)),
        ("gradcam",), maps,
    ).write(own / "saliency.npz")  # fmt: skip
    cv2.imwrite(str(own / "saliency.png"), np.full((90, 160, 3), 200, np.uint8))
    known = dataset == "simulated"
    rows, differences = [], []
    for measure in ("trace", "lead:I", "finding_of_trace") if known else ("trace",):
        for resolution in ("raw", "common"):
            for source in ("trained", "randomised"):
                mean, draws = group_means(rng.random((3, 1)), ids, 50, 0)
                spread = bootstrap_interval(mean[0], draws[:, 0], 0.95)
                rows.append(
                    {"method": "gradcam", "maps": source, "resolution": resolution, "measure": measure, "class": "all",
                     "records": 3, **spread, "chance": 0.2, "above_chance": {"value": 0.3, "low": 0.1, "high": 0.5}}
                )  # fmt: skip
            differences.append(
                {"method": "gradcam", "resolution": resolution, "measure": measure, "value": 0.1, "low": -0.1,
                 "high": 0.3}
            )  # fmt: skip
    summary = {
        "dataset": dataset, "protocol": protocol, "variant": "resnet34", "seed": 0, "records": 3, "groups": 3,
        "classes": {name: int((labels == number).sum()) for number, name in enumerate(classes)},
        "with_truth": 3 if known else None, "with_boxes": 3 if known else 0,
        "empty_maps": {"gradcam": 1}, "empty_randomised": {"gradcam": 2},
        "methods": ["gradcam"], "image_size": 160, "map_side": 20, "cells": 5, "cascade": ["fc", "conv1"],
        "trained_on": [], "confidence": 0.95, "resamples": 50, "rows": rows, "differences": differences,
    }  # fmt: skip
    (own / "saliency.json").write_text(json.dumps(summary))


def inputs_of(folder: Path, datasets: tuple[str, ...]) -> Inputs:
    """What the rule hands over, from the files that are there."""

    def of(pattern: str) -> list[Path]:
        return [file for dataset in datasets for file in sorted((folder / dataset).glob(pattern))]

    return Inputs(
        results=folder,
        datasets=datasets,
        records=of("records.parquet"),
        label_tables=of("labels.parquet"),
        labels=of("labels.json"),
        problems=of("*.problems.parquet") + of("*/*.problems.parquet"),
        splits=of("splits/*/seed-*.json"),
        pages={
            name: StoredPages([f for f in (folder / name / "pages").glob("*.parquet") if "problems" not in f.name])
            for name in datasets
        },
        images=of("images/*.npy"),
        indices=of("images/*.index.parquet"),
        metrics=[file for file in of("*/*/seed-*/metrics.json") if "baseline-" not in file.parts[-3]],
        baselines=of("*/baseline-*/seed-*/metrics.json"),
        overlays=of("*/*/seed-*/saliency.png"),
        saliency=of("*/*/seed-*/saliency.json"),
        comparisons=[file for file in of("comparisons/*.json") if file.stem != "protocols"],
        protocols=of("comparisons/protocols.json"),
        claims=[folder / "report/claims.json"],
        external=of("external/*/*/*.json"),
        configuration=validate_config(SETTINGS).model_dump(mode="json", by_alias=True),
    )
