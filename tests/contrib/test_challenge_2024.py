"""The adapter for the PhysioNet Challenge 2024, called as its public runner calls it; without the runner."""

import importlib
import json
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.errors import DataError
from ecgpipe.reader.quality import challenge_score, compare_lead
from tests.conftest import PROJECT

FOLDER = PROJECT / "contrib" / "challenge-2024"
NAMES = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture(scope="module")
def adapter():
    """The modules, imported from a folder on the path as in the runner's."""
    names = ("challenge_header", "challenge_pages", "challenge_model", "team_code", "make_set")
    sys.path.insert(0, str(FOLDER))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(FOLDER))
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="module")
def records(adapter, tmp_path_factory):
    """Simulated records of the Challenge: eight in train/, two of them with pages in test/."""
    folder = tmp_path_factory.mktemp("challenge")
    simulate_dataset(folder / "raw", records=8, seed=3, sampling_rates=(500,))
    folds = ["--folds", *map(str, range(1, 11)), "--seed", "1"]
    with pytest.MonkeyPatch.context() as patch:
        for name, options in (("train", ["--no-images"]), ("test", ["--count", "2", "--shown-only"])):
            patch.setattr(sys, "argv", ["make_set.py", str(folder / "raw"), str(folder / name), *options, *folds])
            adapter.make_set.main()
    return folder


@pytest.fixture
def quick(adapter, monkeypatch):
    for name, value in {"STEPS": 1, "EPOCHS": (1, 1), "MEMBERS": 1, "WIDTH": 4}.items():
        monkeypatch.setattr(adapter.challenge_model, name, value)


def hidden(record, folder, images=None):
    """A held-out header, as the Challenge gives it: without what shows signal or labels."""
    lines = record.with_suffix(".hea").read_text().splitlines()
    first, *signals = [line.split(" ") for line in lines if not line.startswith("#")]
    images = images or next(line for line in lines if line.startswith("# Image:"))
    kept = [" ".join(first[:4]), *(" ".join([*words[:5], "", "", "", words[8]]) for words in signals), images]
    (folder / f"{record.name}.hea").write_text("\n".join(kept) + "\n")
    for image in record.parent.glob(f"{record.name}-*"):
        (folder / image.name).write_bytes(image.read_bytes())
    return str(folder / record.name)


def header_of(adapter, tmp_path, names=NAMES, samples=5000, rate=500, images=("a.png",)):
    """A header with these signals."""
    lines = [f"x {len(names)} {rate} {samples}", *(f"x.dat 16 1000.0(0)/mV 16 0 1 2 0 {name}" for name in names)]
    (tmp_path / "x.hea").write_text("\n".join([*lines, f"# Image: {', '.join(images)}"]) + "\n")
    return adapter.challenge_header.read_header(tmp_path / "x")


def test_train_load_and_run(adapter, records, quick, tmp_path):
    paths = adapter.challenge_header.find_records(records / "train")
    assert len(paths) == 8
    adapter.team_code.train_models(str(records / "train"), str(tmp_path / "model"), False)
    saved = json.loads((tmp_path / "model" / "classifier.json").read_text())
    written = {name for path in paths for name in adapter.challenge_header.read_header(path).labels}
    assert set(saved["classes"]) == written and len(written) > 1

    reader, classifier = adapter.team_code.load_models(str(tmp_path / "model"), False)
    page = adapter.challenge_header.find_records(records / "test")[0]
    signal, labels = adapter.team_code.run_models(hidden(page, tmp_path), reader, classifier, False)
    assert signal.shape == (5000, 12)
    assert labels and set(labels) <= written
    true = masked(page)
    pairs = [pair for pair in zip(true, signal.T, strict=True) if np.nanstd(pair[0]) > 0.02]
    assert challenge_score([compare_lead(*pair, 500) for pair in pairs]) > 12
    # the evaluator needs signals that are late rather than early
    lags = [best_lag(*pair) for pair in pairs]
    assert min(lags) > 0 and np.median(lags) == pytest.approx(500 * adapter.challenge_pages.DELAY, abs=25), lags


def masked(record) -> np.ndarray:
    """What the page of a record shows, (12, samples) mV."""
    stored = np.fromfile(record.with_suffix(".dat"), "<i2").reshape(-1, 12).T
    return np.where(stored == -32768, np.nan, stored / 1000.0)


def best_lag(true: np.ndarray, found: np.ndarray) -> int:
    """By how many samples a lead is late."""
    known = np.flatnonzero(np.isfinite(true))
    inner = known[150:-150]
    errors = [np.nanmean((found[inner + lag] - true[inner]) ** 2) for lag in range(-40, 121)]
    return int(np.argmin(errors)) - 40


def test_pages_show_what_is_left_of_the_signals(records):
    """Of a 3 x 4 page with lead II below."""
    shown = np.isfinite(masked(next((records / "test").glob("*.hea")).with_suffix("")))
    assert shown.sum(axis=1).tolist() == [1250, 5000] + [1250] * 10
    assert shown[6:9, 2500:3750].all()


@pytest.mark.parametrize("image", ["broken.png", "absent.png"])
def test_an_image_that_cannot_be_read_never_stops_the_run(adapter, records, quick, tmp_path, caplog, image):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (400, 300), "white").save(tmp_path / "blank.png")
    record = hidden(
        adapter.challenge_header.find_records(records / "test")[0], tmp_path, f"# Image: {image}, blank.png"
    )
    adapter.team_code.train_models(str(records / "train"), str(tmp_path / "model"), False)
    models = adapter.team_code.load_models(str(tmp_path / "model"), False)
    with caplog.at_level(logging.WARNING, "ecgpipe.challenge"):
        signal, labels = adapter.team_code.run_models(record, *models, False)
    assert signal.shape == (5000, 12) and np.isnan(signal).all() and labels == []
    # other libraries may log at any time
    said = [record.getMessage() for record in caplog.records if record.name == "ecgpipe.challenge"]
    assert [message.split(":")[1].split("/")[-1] for message in said] == [image, "blank.png"]


def test_the_first_readable_image_counts_and_of_longer_records_all(adapter, tmp_path, monkeypatch):
    for name in ("a.png", "c.png"):
        Image.new("RGB", (30, 20), "white").save(tmp_path / name)
    calls = iter(range(1, 100))

    def digitize(picture, net, rate):
        return SimpleNamespace(signal=np.full((12, round(10.2 * rate)), next(calls), np.float32))

    monkeypatch.setattr(adapter.challenge_pages, "digitize", digitize)
    files = ("absent.png", "a.png", "c.png")
    short = adapter.challenge_pages.read_pages(header_of(adapter, tmp_path, samples=1000, rate=100, images=files), None)
    assert short.shape == (12, 1000) and (short == 1).all()
    long = header_of(adapter, tmp_path, samples=2500, rate=100, images=files)
    signal = adapter.challenge_pages.read_pages(long, None)[0]
    assert np.isnan(signal[:1000]).all() and (signal[1000:2000] == 2).all() and (signal[2000:] == 3).all()


def test_signals_are_in_the_header_s_order_late_and_within_its_range(adapter, tmp_path):
    header = header_of(adapter, tmp_path, names=("V6", "Lead I", "-aVR", "Resp", "II"), samples=100, rate=100)
    signal = np.repeat(np.arange(12.0)[:, None], 100, axis=1) * 10
    signal[3, :20] = np.nan
    signal[1] = np.nan
    late = round(adapter.challenge_pages.DELAY * 100)
    result = adapter.challenge_pages.as_expected(signal, header)
    assert result.shape == (100, 5)
    assert (
        np.isnan(result[:late, 0]).all() and (result[late:, 0] == np.float32(header.limit)).all()
    )  # 110 mV do not fit
    assert (result[late:, 1] == 0).all()
    assert np.isnan(result[: late + 20, 2]).all() and (result[late + 20 :, 2] == -30).all()
    assert np.isnan(result[:, 3:]).all()  # a channel that is no lead, and a lead that was not found


def test_records_without_signals_are_read_from_their_pages(adapter, records, tmp_path):
    record = adapter.challenge_header.find_records(records / "test")[1]
    header = adapter.challenge_header.read_header(hidden(record, tmp_path))
    reader = adapter.team_code.load_reader()
    found = adapter.challenge_model.training_signal(header, reader)
    assert found.shape == (12, 1000) and np.isfinite(found).all()
    full, _ = read_signal(records / "raw" / "records500" / "00000" / record.name, record.name)
    assert np.corrcoef(found[1, 20:900], full[1, 100:4500:5])[0, 1] > 0.8
    # a lead that is shown for 2.5 s is repeated
    assert max(np.corrcoef(found[7, :200], found[7, at : at + 200])[0, 1] for at in range(248, 253)) > 0.99


def test_the_threshold_with_the_largest_f_measure(adapter):
    best = adapter.challenge_model.best_threshold
    assert 1 < best(np.array([3.0, 1.0, 2.0, -1.0]), np.array([1, 0, 1, 0])) < 2
    assert best(np.array([3.0, 1.0, 2.0, -1.0]), np.array([0, 1, 0, 1])) < -1
    assert best(np.array([1.0, 2.0]), np.array([0, 0])) == 0


def test_what_is_no_challenge_data_is_an_error(adapter, tmp_path):
    with pytest.raises(DataError, match="no header files"):
        adapter.team_code.train_models(str(tmp_path), str(tmp_path / "model"), False)
    (tmp_path / "x.hea").write_text("x 12 500 5000\nx.dat 16 1000(0)/mV 16 0    I\n")
    with pytest.raises(DataError, match=r"x\.hea: its first line states 12 signals"):
        adapter.challenge_header.read_header(tmp_path / "x")
    (tmp_path / "x.hea").write_text("nothing")
    with pytest.raises(DataError, match="not a header of the Challenge"):
        adapter.challenge_header.read_header(tmp_path / "x")
