"""The benchmarks behind `ecgpipe bench` measure the right things; speeds are not tested."""

import json
import time
from functools import partial

import numpy as np
import pytest

from benchmarks.references import ecg_plot_page, matplotlib_page
from benchmarks.render import read_benchmark_signal
from benchmarks.timing import Ratio, Report, Timing, interleaved, machine_info
from benchmarks.train import BatchSources, PngFiles, benchmark_image
from ecgpipe.cli import main
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.imaging.shard import make_images
from ecgpipe.render.page import render_page


@pytest.fixture(scope="module")
def signal():
    return read_benchmark_signal(None)


def test_rounds_interleave_and_the_first_does_not_count():
    calls = []

    def slow_at_first():
        calls.append("a")
        time.sleep(0.2 if len(calls) == 1 else 0.01)

    timings = interleaved({"a": slow_at_first, "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert 10 <= timings["a"].minimum <= timings["a"].median < 100
    assert timings["b"].median < timings["a"].minimum


@pytest.mark.parametrize("ticks", [True, False])
def test_matplotlib_draws_the_same_traces(signal, ticks):
    page = render_page(*signal, RenderConfig())
    reference = matplotlib_page(*signal, RenderConfig(), ticks=ticks)[..., :3]
    assert reference.shape == page.image.shape
    traces = page.trace_mask > 0
    assert (reference.max(axis=2)[traces] < 140).mean() > 0.85
    # pulse and texts differ
    assert 0.8 < (reference.max(axis=2) < 128).sum() / (page.image.max(axis=2) < 128).sum() < 1.25
    red = (reference[..., 0] > 200) & (reference[..., 1] < 100)
    assert red.mean() > 0.03  # the thick grid lines


def test_ecg_plot_page_has_the_size(signal):
    pytest.importorskip("ecg_plot")
    page = ecg_plot_page(*signal, (2200, 1700), 200)
    assert page.shape == (1700, 2200, 4)
    assert 0.005 < (page[..., :3].max(axis=2) < 128).mean() < 0.1


def test_report_compares_with_targets():
    timings = {"a": Timing(10, 12), "b": Timing(1, 1)}
    ratios = [Ratio("b", "a", 10.0, 9), Ratio("b", "a", 10.0, 11), Ratio("b", "a", 10.0, None)]
    report = Report("t", timings, ratios, ["n"], machine_info())
    assert [ratio["passed"] for ratio in report.as_dict()["ratios"]] == [True, False, None]
    assert "target 9: met" in report.as_text()
    assert "target 11: MISSED" in report.as_text()


@pytest.mark.parametrize("name", ["render", "preprocess"])
def test_bench_command(name, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.render.SHARD", 2)
    for reference in ("matplotlib_page", "ecg_plot_page"):  # tested above
        monkeypatch.setattr(f"benchmarks.render.{reference}", lambda *args, **options: time.sleep(0.001))
    monkeypatch.setattr("benchmarks.preprocess.RenderConfig", partial(RenderConfig, dpi=72))
    paper = PreprocessConfig(variant="paper")  # its processes load no network
    monkeypatch.setattr(
        "benchmarks.preprocess.make_images", lambda pages, _, *files, **how: make_images(pages, paper, *files, **how)
    )
    assert main(["bench", name, "--repetitions", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert all(timing["minimum"] > 0 for timing in report["timings"].values())
    assert {ratio["reference"] for ratio in report["ratios"]} >= {"matplotlib page", "one"}
    assert report["machine"]["processor"]


def test_bench_train_command(capsys):
    small = ["--image-size", "64", "--batch-size", "4", "--steps", "2", "--repetitions", "1", "--json"]
    assert main(["bench", "train", "--model", "test_resnet", *small]) == 0
    report = json.loads(capsys.readouterr().out)
    ready, packed = "one batch, ready on the device", "packed images, augmented"
    assert set(report["timings"]) == {ready, packed, "PNG files, 2 workers"}
    ratio = report["ratios"][0]
    assert (ratio["name"], ratio["reference"], ratio["target"]) == (packed, ready, 0.97)
    assert ratio["value"] == pytest.approx(report["timings"][ready]["minimum"] / report["timings"][packed]["minimum"])


def test_bench_without_a_checkout_is_an_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ecgpipe.cli.system.__file__", str(tmp_path / "site-packages/ecgpipe/cli/system.py"))
    assert main(["bench", "render"]) == 1
    assert "only in a checkout of ecgpipe" in capsys.readouterr().err


def test_batch_sources_contain_the_same_images(tmp_path):
    sources = BatchSources(tmp_path, benchmark_image(None), 8, "test_resnet", 640, 4)
    packed = np.unpackbits(sources.packed_loader.dataset.packed(np.arange(8)), axis=-1)
    decoded = np.concatenate([PngFiles([tmp_path / f"{number}.png"])[0].numpy() for number in range(8)])
    assert np.array_equal(packed, decoded)
    assert len({image.tobytes() for image in packed}) == 8
    for batches in (sources.ready(), sources.png(), sources.packed()):
        assert next(batches).shape == (4, 1, 640, 640)
