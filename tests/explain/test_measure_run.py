"""Maps and their measures of a run on simulated records with known findings."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.pages import StoredPages, read_pages, write_pages
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.saliency import FINDINGS, MEASURES, Saliency
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.tables import DUPLICATES, RECORDS
from ecgpipe.artifacts.truth import read_truth
from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.explain import measure_run as measure_module
from ecgpipe.explain.measure_run import measure_run, summarise
from ecgpipe.explain.regions import band
from ecgpipe.explain.run import explain_run
from ecgpipe.imaging.shard import make_images
from ecgpipe.models.factory import build_model
from ecgpipe.render.findings import write_findings
from ecgpipe.render.page import render_page
from ecgpipe.render.shard import render_shard

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
RESAMPLING = {"resamples": 200, "confidence": 0.95, "seed": 0}
CONFIG = ExplainConfig(records_per_class=1, measured_per_class=2, curve_steps=0)
NO_MARGINS = (0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with 16 simulated records through every stage up to the images, and two untrained runs."""
    folder = tmp_path_factory.mktemp("explained")
    simulate_dataset(folder / "data", records=16, seed=5, class_mix={(name,): 1.0 for name in CLASSES}, difficulty=0.0)
    records, _ = list_ptbxl_records(folder / "data", 100, 1000)
    RECORDS.write(records, folder / "records.parquet")
    render = RenderConfig(dpi=100)
    render_shard(records, folder / "data", 100, render, folder / "pages.parquet", folder / "p.parquet", title="")
    make_images(
        StoredPages([folder / "pages.parquet"]), PreprocessConfig(size=320), folder / "images.npy",
        folder / "i.parquet", folder / "q.parquet", title="",
    )  # fmt: skip
    ids = records["record_id"].to_numpy(str)
    write_findings(
        records, read_truth(folder / "data/truth.jsonl", ids), folder / "data", 100, render,
        folder / "findings.parquet", title="",
    )  # fmt: skip
    truths = read_truth(folder / "data/truth.jsonl", ids)
    superclass = [truths[i].findings[0].superclass if truths[i].findings else "NORM" for i in ids]
    targets = np.array([[name == own for name in CLASSES] for own in superclass], np.uint8)
    for seed in (0, 1):
        run = RunConfig(
            dataset="simulated", protocol="paper", variant="resnet10t", seed=seed, classes=CLASSES, task="single",
            images=("../images.npy",), model=ModelConfig(image_size=128), train=TrainConfig(),
        )  # fmt: skip
        own = folder / f"seed-{seed}"
        own.mkdir()
        run.write(own)
        role = ROLES.index("test" if seed == 0 else "train")
        RunIndex(
            ids, np.full(16, role, np.int8), np.zeros(16, np.int16), np.arange(16, dtype=np.int32), targets
        ).write(own)  # fmt: skip
        torch.manual_seed(seed)
        save_file(build_model(run).state_dict(), own / "weights.safetensors")
        explain_run(
            own, folder / "seed-0", StoredPages([folder / "pages.parquet"]), NO_MARGINS, [], CONFIG,
            own / "saliency.npz", own / "saliency.png",
        )  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def short_cascade(monkeypatch):
    monkeypatch.setattr(measure_module, "CASCADE_STEPS", 1)


def measured(folder, saliency, config=CONFIG, others=(), findings=True):
    """The rows and the summary of the first seed's run with the given maps."""
    own = folder / "seed-0"
    saliency.write(own / "given.npz")
    measure_run(
        own, own / "given.npz", others, StoredPages([folder / "pages.parquet"]),
        [folder / "findings.parquet"] if findings else [], folder / "records.parquet", NO_MARGINS, [], config,
        RESAMPLING, own / "m.parquet", own / "m.json",
    )  # fmt: skip
    return MEASURES.read(own / "m.parquet"), json.loads((own / "m.json").read_text())


def row(summary, measure, maps="trained", resolution="raw", label="all"):
    wanted = {"measure": measure, "maps": maps, "resolution": resolution, "class": label}
    (found,) = [one for one in summary["rows"] if wanted.items() <= one.items()]
    return found


def oracle(folder):
    """Maps that lie on the findings, and nowhere else."""
    found = Saliency.read(folder / "seed-0/saliency.npz")
    findings = FINDINGS.read(folder / "findings.parquet")
    maps = np.zeros_like(found.maps)
    for place, record_id in enumerate(found.record_ids):
        own = findings[findings["record_id"] == record_id]
        lines = [np.stack([x, y], axis=1) for x, y in zip(own["x"], own["y"], strict=True)]
        maps[0, place] = band(lines, found.maps.shape[-1]) if lines else 0
    return replace(found, maps=maps)


def test_finding_points_are_the_samples_of_the_simulated_findings(made):
    """Number from the ground truth, positions from the page."""
    findings = FINDINGS.read(made / "findings.parquet")
    records = RECORDS.read(made / "records.parquet").set_index("record_id")
    truths = read_truth(made / "data/truth.jsonl", records.index)
    record_id = findings["record_id"].iloc[0]
    signal, rate = read_signal(made / "data" / records.loc[record_id, "path"], record_id)
    boxes = render_page(signal, rate, RenderConfig(dpi=100)).boxes(plotted_pixels=True)
    for finding in truths[record_id].findings:
        mask = truths[record_id].finding_mask(finding, LEADS, 100)
        expected = []
        for lead in boxes["leads"]:
            carries = mask[LEADS.index(lead["lead_name"].upper()), lead["start_sample"] : lead["end_sample"]]
            expected += np.array(lead["plotted_pixels"])[carries].tolist()
        own = findings[(findings["record_id"] == record_id) & (findings["code"] == finding.code)]
        found = np.stack(
            [np.concatenate(own["y"]) * boxes["height"], np.concatenate(own["x"]) * boxes["width"]], axis=1
        )
        assert found.shape == np.shape(expected)
        assert np.abs(found - expected).max() < 0.01
    assert set(findings["record_id"]) == {i for i in truths if truths[i].findings}


def test_finding_points_follow_a_degraded_page(made, tmp_path):
    """Most points still lie on dark ink."""
    import cv2

    records = RECORDS.read(made / "records.parquet").head(4)
    config = RenderConfig(dpi=100, degrade=DegradeConfig(level="scan"))
    render_shard(records, made / "data", 100, config, tmp_path / "pages.parquet", tmp_path / "p.parquet", title="")
    truths = read_truth(made / "data/truth.jsonl", records["record_id"])
    write_findings(records, truths, made / "data", 100, config, tmp_path / "f.parquet", title="")
    findings = FINDINGS.read(tmp_path / "f.parquet")
    darkness, paper = [], []
    for page in read_pages(tmp_path / "pages.parquet"):
        image = cv2.imdecode(np.frombuffer(page.image, np.uint8), cv2.IMREAD_GRAYSCALE)
        own = findings[findings["record_id"] == page.record_id]
        for x, y in zip(own["x"], own["y"], strict=True):
            at = np.clip((y * image.shape[0]).astype(int), 0, image.shape[0] - 1), (x * image.shape[1]).astype(int)
            darkness += cv2.erode(image, np.ones((3, 3)))[at].tolist()
        paper.append(np.median(image))
    assert np.median(darkness) < np.median(paper) - 80


def test_map_on_the_findings_scores_high_and_random_weights_score_at_chance(made):
    _, summary = measured(made, oracle(made))
    assert summary["with_truth"] == sum(summary["classes"].values()) - summary["classes"]["NORM"]
    assert summary["with_boxes"] == summary["records"]
    for measure in ("finding", "pointing", "iou", "finding_of_trace"):
        assert row(summary, measure)["value"] == pytest.approx(1, abs=1e-6), measure
        assert row(summary, measure)["chance"] < 0.7
        assert row(summary, measure)["above_chance"]["low"] > 0.2
    assert row(summary, "finding_leads")["value"] > 0.85  # the band reaches beyond the boxes
    assert row(summary, "trace")["value"] > row(summary, "trace")["chance"]
    randomised = row(summary, "finding", maps="randomised")
    assert randomised["value"] < 0.6
    (difference,) = [one for one in summary["differences"] if (one["measure"], one["resolution"]) == ("finding", "raw")]
    assert difference["value"] == pytest.approx(row(summary, "finding")["value"] - randomised["value"])
    assert difference["low"] > 0
    # NORM has no finding
    assert not [one for one in summary["rows"] if one["class"] == "NORM" and one["measure"] == "finding"]


def test_constant_map_scores_at_chance(made):
    flat = oracle(made)
    _, summary = measured(made, replace(flat, maps=np.ones_like(flat.maps)))
    for measure in ("trace", "finding", "finding_leads", "finding_of_trace", "pointing", "lead:V2"):
        found = row(summary, measure)
        assert found["value"] == pytest.approx(found["chance"], abs=1e-6), measure


def test_agreement_of_seeds_cascade_and_curves(made, monkeypatch):
    found = Saliency.read(made / "seed-0/saliency.npz")
    monkeypatch.setattr(measure_module, "CASCADE_STEPS", 2)
    config = CONFIG.model_copy(update={"curve_steps": 2})
    table, summary = measured(made, found, config, others=[made / "seed-1/saliency.npz"])
    assert summary["trained_on"] == [summary["records"]]
    assert -1 <= row(summary, "seed_rank", resolution="common")["value"] < 0.99
    _, same = measured(made, found, others=[made / "seed-0/saliency.npz"])
    assert row(same, "seed_rank", resolution="common")["value"] == pytest.approx(1)
    assert same["trained_on"] == [0]
    cascade = table[table["measure"] == "cascade_rank"]
    assert list(cascade["maps"].unique()) == summary["cascade"] and len(summary["cascade"]) == 2
    curve = row(summary, "insertion")
    assert 0 < curve["value"] < 1 and curve["chance"] is not None


def test_cost_of_measuring(made, monkeypatch):
    """Model inputs per record: one per state of the cascade, and five curves without their known ends."""
    batch_sizes = []
    load = measure_module.load_trained

    def load_counting(folder):
        model, run = load(folder)
        model.register_forward_pre_hook(lambda _, inputs: batch_sizes.append(len(inputs[0])))
        return model, run

    monkeypatch.setattr(measure_module, "load_trained", load_counting)
    found = Saliency.read(made / "seed-0/saliency.npz")
    _, summary = measured(made, found, CONFIG.model_copy(update={"curve_steps": 4}))
    assert row(summary, "insertion")["records"] == len(found.labels)
    assert sum(batch_sizes) <= len(found.labels) * (1 + 5 * 3) + len(CLASSES)
    assert max(batch_sizes) > 1


def test_without_findings_other_seeds_or_saliency(made):
    """Unknown findings, a single seed and empty maps are reported, not errors."""
    found = Saliency.read(made / "seed-0/saliency.npz")
    bare = CONFIG.model_copy(update={"measured_per_class": 1, "compare": ("layercam",)})
    both = replace(found, methods=bare.methods, maps=np.zeros((2, *found.maps.shape[1:]), np.float32))
    table, summary = measured(made, both, bare, findings=False)
    assert summary["with_truth"] is None and summary["empty_maps"] == dict.fromkeys(bare.methods, len(found.labels))
    assert set(table["measure"]) >= {"trace", "cascade_rank"}
    assert not set(table["measure"]) & {"finding", "insertion", "seed_rank"}
    trained = table[(table["maps"] == "trained")]
    assert trained["value"].isna().all()
    empty = [one for one in summary["rows"] if one["maps"] == "trained"]
    assert empty and all(one["value"] is None and one["low"] is None and one["records"] == 0 for one in empty)
    assert isinstance(pd.DataFrame(summary["differences"]), pd.DataFrame)


def test_identical_images_are_resampled_together(made, tmp_path):
    """As in the other scores: of images without patients, only the audit knows which are the same file."""
    own, explained = made / "seed-0", Saliency.read(made / "seed-0/saliency.npz").record_ids
    records = RECORDS.read(made / "records.parquet").assign(patient_id=None)
    RECORDS.write(records, tmp_path / "records.parquet")
    ids = records["record_id"]
    identical = ids.where(ids != explained[1], explained[0])
    table = pd.DataFrame({"record_id": ids, "identical": identical, "near": identical})
    DUPLICATES.write(table, tmp_path / "duplicates.parquet")

    def groups(**more) -> int:
        measure_run(
            own, own / "saliency.npz", [], StoredPages([made / "pages.parquet"]), [], tmp_path / "records.parquet",
            NO_MARGINS, [], CONFIG, RESAMPLING, tmp_path / "m.parquet", tmp_path / "m.json", **more,
        )  # fmt: skip
        return json.loads((tmp_path / "m.json").read_text())["groups"]

    assert groups() == len(explained)
    assert groups(duplicates=tmp_path / "duplicates.parquet") == len(explained) - 1


def test_chance_leaves_out_the_same_empty_maps_as_the_value():
    """Else a value above its chance could be printed as the smaller number."""
    head = {"method": "gradcam", "maps": "trained", "resolution": "common", "measure": "trace", "class": "MI"}
    shares = {"a": (0.3, 0.2), "b": (0.4, 0.3), "c": (np.nan, 0.9)}
    table = pd.DataFrame(
        [head | {"record_id": name, "value": value, "chance": chance} for name, (value, chance) in shares.items()]
    )
    groups = {name: name for name in shares}
    for found in summarise(table, groups, {"resamples": 50, "confidence": 0.95, "seed": 0})["rows"]:
        assert (found["value"], found["chance"]) == (pytest.approx(0.35), pytest.approx(0.25))
        assert found["above_chance"]["value"] == pytest.approx(found["value"] - found["chance"])


def test_transparent_pages_are_drawn_as_white(made, tmp_path):
    import cv2

    clear = []
    for page in read_pages(made / "pages.parquet"):
        grey = cv2.imdecode(np.frombuffer(page.image, np.uint8), cv2.IMREAD_GRAYSCALE)
        picture = np.dstack([*[np.zeros_like(grey)] * 3, 255 - grey])  # black ink, nothing around it
        clear.append(page._replace(image=cv2.imencode(".png", picture)[1].tobytes()))
    write_pages(clear, tmp_path / "pages.parquet")
    own, config = made / "seed-0", CONFIG.model_copy(update={"measured_per_class": 1})
    pages = StoredPages([tmp_path / "pages.parquet"])
    explain_run(own, own, pages, NO_MARGINS, [], config, tmp_path / "maps.npz", tmp_path / "sheet.png")
    assert np.median(cv2.imread(str(tmp_path / "sheet.png")), axis=(0, 1)).max() > 200


def test_integrated_gradients_lie_on_ink(made):
    config = CONFIG.model_copy(update={"method": "integrated-gradients", "measured_per_class": 1})
    own = made / "seed-0"
    explain_run(own, own, StoredPages([made / "pages.parquet"]), NO_MARGINS, [], config, own / "ig.npz", own / "ig.png")
    _, summary = measured(made, Saliency.read(own / "ig.npz"), config)
    assert row(summary, "trace")["value"] == pytest.approx(1, abs=1e-3)
