"""Training examples of the line network."""

import numpy as np
import pytest

from ecgpipe.config.pages import READER_WEIGHTS, ReaderConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.imaging import line_examples
from ecgpipe.imaging.line_examples import collect_line_examples
from ecgpipe.imaging.line_examples import line_examples as examples_of
from ecgpipe.reader.line_network import CHANNELS, MEASURES, OFFSETS
from ecgpipe.reader.read import load_reader
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    path = tmp_path_factory.mktemp("signals") / "signals.npy"
    np.save(path, np.rint(1000 * beats())[None].astype(np.int16))
    return path


def test_the_line_and_what_is_missing_are_the_recording(signals):
    shown = np.load(signals)
    found = next(found for number in range(9) if len(found := examples_of(number, shown, 0, load_reader())) >= 12)
    height = len(OFFSETS) + MEASURES.index("height")
    assert found.channels.shape == (CHANNELS, found.columns.sum()) and len(found.above) == 2 * found.columns.sum()
    agree = []
    for stop, columns in zip(np.cumsum(found.columns), found.columns, strict=True):
        part = np.s_[stop - columns : stop]
        truth = 10 * found.channels[height, part].astype(float) + found.above[::2][part]
        truth = truth[~np.isnan(truth)]
        likeness = [  # with the lead that fits best, at any time
            np.corrcoef(truth, lead[start : start + 2 * len(truth) : 2])[0, 1]
            for lead in shown[0]
            for start in range(0, 4900 - 2 * len(truth), 2)
        ]
        agree.append(max(likeness))
    assert np.median(agree) > 0.995


def test_an_interrupted_run_keeps_its_pages(signals, tmp_path, monkeypatch):
    drawn = []

    def stop(number, *arguments):
        if number == 1 and "stopped" not in drawn:
            drawn.append("stopped")
            raise KeyboardInterrupt
        drawn.append(number)
        return examples_of(number, *arguments)

    monkeypatch.setattr(line_examples, "line_examples", stop)
    recipe, path = ReaderConfig(line_pages=2), tmp_path / "examples.npz"
    with pytest.raises(KeyboardInterrupt):
        collect_line_examples(signals, READER_WEIGHTS, path, recipe)
    count = collect_line_examples(signals, READER_WEIGHTS, path, recipe)
    assert drawn == [0, "stopped", 1]
    assert [file.name for file in tmp_path.iterdir()] == ["examples.npz"]
    with np.load(path) as made:
        assert len(made["power"]) == len(made["columns"]) == count
        assert (
            made["channels"].shape == (CHANNELS, made["columns"].sum())
            and len(made["above"]) == 2 * made["columns"].sum()
        )


def test_pages_that_cannot_be_read_are_an_error(tmp_path):
    np.save(tmp_path / "signals.npy", np.zeros((1, 12, 5000), np.int16))  # straight lines are no ECG
    with pytest.raises(DataError, match="none of 1 pages"):
        collect_line_examples(tmp_path / "signals.npy", READER_WEIGHTS, tmp_path / "x.npz", ReaderConfig(line_pages=1))


def test_a_signal_is_moved_so_that_a_wave_is_where_a_lead_begins_or_ends():
    signal = np.zeros((12, 5000))
    signal[:, 700:820] = np.linspace(0, 1, 120)  # the only wave
    for seed in range(20):
        moved = line_examples._wave_at_an_end(np.random.default_rng(seed), signal)
        wave = np.flatnonzero(np.diff(moved[0]))
        distances = np.abs(wave[:, None] - line_examples.BOUNDARIES)
        assert moved.shape == signal.shape and distances.min() <= line_examples.BESIDE + 1


def test_separators_are_ink_where_leads_begin_and_end():
    page = render_page(beats(), 500, RenderConfig(layout="6x2"))
    for seed in range(6):
        marked = line_examples._with_separators(np.random.default_rng(seed), page)
        rows, columns = np.nonzero(marked.indices != page.indices)
        ends = np.array([x for lead in page.leads for x in lead.pixels[[0, -1], 0]])
        assert len(rows) and (np.abs(columns[:, None] - ends).min(axis=1) < page.dpi / 25.4).all()
        assert (marked.image[rows, columns] == page.image.min()).all()  # the darkest colour
