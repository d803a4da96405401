"""The benchmarks measure what they say; their figures are not judged here, since tests share the machine."""

import json
import time

import numpy as np
import pytest

from ecgpipe.bench.references import ecg_plot_page, matplotlib_page
from ecgpipe.bench.stages import bench_signal
from ecgpipe.bench.timing import Ratio, Report, Timing, interleaved, machine
from ecgpipe.cli.main import main
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page


def test_rounds_interleave_and_the_first_does_not_count():
    calls = []

    def slow_at_first():
        calls.append("a")
        time.sleep(0.2 if len(calls) == 1 else 0.01)

    timings = interleaved({"a": slow_at_first, "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert 10 <= timings["a"].least <= timings["a"].median < 100
    assert timings["b"].median < timings["a"].least


@pytest.mark.parametrize("ticks", [True, False])
def test_matplotlibs_page_shows_the_same_traces(ticks):
    """Where our page has ink, matplotlib's has, and the other way round, but for the pulse and the texts."""
    signal, rate = bench_signal(None)
    page = render_page(signal, rate, RenderConfig())
    theirs = matplotlib_page(signal, rate, RenderConfig(), ticks=ticks)[..., :3]
    assert theirs.shape == page.image.shape
    traces = page.trace_mask > 0
    assert (theirs.max(axis=2)[traces] < 140).mean() > 0.85
    assert 0.8 < (theirs.max(axis=2) < 128).sum() / (page.image.max(axis=2) < 128).sum() < 1.25
    red = (theirs[..., 0] > 200) & (theirs[..., 1] < 100)
    assert red.mean() > 0.03  # the thick lines of the grid


def test_ecg_plots_page_has_the_size():
    pytest.importorskip("ecg_plot")
    signal, rate = bench_signal(None)
    page = ecg_plot_page(signal, rate, (2200, 1700), 200)
    assert page.shape == (1700, 2200, 4)
    assert 0.005 < (page[..., :3].max(axis=2) < 128).mean() < 0.1


def test_targets_are_told():
    timings = {"a": Timing(10, 12), "b": Timing(1, 1)}
    ratios = [Ratio("b", "a", 10.0, 9), Ratio("b", "a", 10.0, 11), Ratio("b", "a", 10.0, None)]
    report = Report("t", timings, ratios, ["n"], machine())
    assert [ratio["passed"] for ratio in report.as_dict()["ratios"]] == [True, False, None]
    assert "target 9: ok" in report.as_text()
    assert "target 11: MISSED" in report.as_text()


@pytest.mark.parametrize("name", ["render", "preprocess"])
def test_the_command(name, capsys, monkeypatch):
    monkeypatch.setattr("ecgpipe.bench.stages.SHARD", 4)
    assert main(["bench", name, "--repetitions", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert all(timing["least"] > 0 for timing in report["timings"].values())
    assert {ratio["reference"] for ratio in report["ratios"]} >= {"matplotlib page", "one"}
    assert report["machine"]["processor"]


def test_the_simulated_record_is_the_same_every_time():
    assert np.array_equal(bench_signal(None)[0], bench_signal(None)[0])


def test_feeding_is_measured(capsys):
    small = ["--image-size", "64", "--batch-size", "4", "--steps", "2", "--repetitions", "1", "--json"]
    assert main(["bench", "train", "--model", "test_resnet", *small]) == 0
    report = json.loads(capsys.readouterr().out)
    ready, packed = "one batch, ready on the device", "packed, with augmentation"
    assert set(report["timings"]) == {ready, packed, "PNG files, 2 workers"}
    ratio = report["ratios"][0]
    assert (ratio["name"], ratio["reference"], ratio["target"]) == (packed, ready, 0.97)
    assert ratio["value"] == pytest.approx(report["timings"][ready]["least"] / report["timings"][packed]["least"])
    assert any("processor time" in note for note in report["notes"])


def test_the_three_ways_give_the_same_pictures(tmp_path):
    from ecgpipe.bench.feeding import Bench, PngFiles, bench_image

    image = (bench_image(*bench_signal(None)) > 0).astype(np.uint8)
    bench = Bench(tmp_path, image, 8, "test_resnet", 640, 4)
    numbers = np.arange(8)
    ours = np.unpackbits(bench.packed_loader.dataset.packed(numbers), axis=-1)
    theirs = np.concatenate([PngFiles([tmp_path / f"{number}.png"])[0].numpy() for number in numbers])
    assert np.array_equal(ours, theirs)
    assert len({shifted.tobytes() for shifted in ours}) == 8
    assert bench.ready.shape == next(bench.png()).shape == next(bench.packed()).shape == (4, 1, 640, 640)
