"""Duplicates are found in any order of the records, and unrelated records on the same form are not duplicates."""

import functools
import io
import json

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import EpsImagePlugin, Image

from benchmarks.sketches import altered, quantized, sketches_of, unrelated
from ecgpipe.artifacts.tables import SKETCHES
from ecgpipe.audit import candidates
from ecgpipe.audit.duplicates import Sketches, fast_similarities, find_duplicates, similarity
from ecgpipe.audit.sketch import compare_vectors, sketch_image
from ecgpipe.audit.summary import audit, count_leaks
from ecgpipe.errors import RecordError


def page(seed: int) -> np.ndarray:
    """A form that all share, and four traces of a patient's own."""
    rng = np.random.default_rng(seed)
    image = np.full((786, 1106, 3), 255, np.uint8)
    for x in range(20, 1100, 20):
        cv2.line(image, (x, 140), (x, 770), (200, 200, 255), 1)
    cv2.rectangle(image, (20, 140), (1085, 770), (120, 120, 255), 2)
    cv2.putText(image, "ECG REPORT  Technician:  Confirmed by:", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    for lead in ("I", "II", "III"):
        cv2.putText(image, lead, (30, 200 + 150 * len(lead)), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    for row in range(4):
        trace = np.zeros(1000)
        for beat in range(int(rng.integers(20, 60)), 1000, int(rng.integers(55, 160))):
            trace += rng.uniform(40, 90) * np.exp(-(((np.arange(1000) - beat) / rng.uniform(2, 5)) ** 2))
        points = np.stack([np.arange(1000) + 50, 260 + 150 * row - trace], axis=1).astype(np.int32)
        cv2.polylines(image, [points], False, (10, 10, 10), 2, cv2.LINE_AA)
    return image


def encoded(image: np.ndarray, quality: int = 90) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def row(record_id: str, sketch, digest: str | None = None) -> dict:
    return {
        "record_id": record_id,
        "digest": sketch.digest if digest is None else digest,
        "properties": json.dumps(sketch.properties),
        "anomalies": json.dumps(sketch.anomalies),
        "sketch": sketch.sketch.tobytes(),
        "detail": sketch.detail.tobytes(),
    }


@functools.cache
def sketched(content: bytes):
    return sketch_image(content, "page", "page")


def table(contents: dict[str, bytes]) -> pd.DataFrame:
    return pd.DataFrame([row(name, sketched(content)) for name, content in contents.items()])


@pytest.fixture(scope="module")
def pages():
    return {f"p{seed:02d}": encoded(page(seed)) for seed in range(24)}


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encoded(image, 30),
        lambda image: encoded(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
        lambda image: encoded(np.roll(image, (8, 11), axis=(0, 1))),
        lambda image: encoded(image[8:-8, 11:-11]),
    ],
    ids=["recompressed", "half size", "shifted", "cropped"],
)
def test_changed_copy_of_a_page_is_found_and_unrelated_records_are_not(pages, change):
    sketches = table(pages | {"zz": change(page(3)), "copy": pages["p05"]})
    duplicates, pairs = find_duplicates(Sketches([sketches]))
    assert pairs[["first", "second"]].values.tolist() == [["p03", "zz"]]
    duplicates = duplicates.set_index("record_id")
    assert duplicates.loc["p05", ["identical", "near"]].tolist() == ["copy", "copy"]
    assert duplicates.loc["zz", ["identical", "near"]].tolist() == ["zz", "p03"]
    assert duplicates["near"].nunique() == 24


def test_a_few_unrelated_pages_on_one_form_are_not_duplicates(pages):
    for names in (["p00", "p01"], ["p00", "p01", "p02", "p03", "p04"]):
        assert find_duplicates(Sketches([table({name: pages[name] for name in names})]))[1].empty


def test_the_order_of_the_records_does_not_matter(pages):
    sketches = table(pages | {"zz": encoded(page(3), 30)})
    one = find_duplicates(Sketches([sketches]))
    for seed in range(2):
        other = find_duplicates(Sketches([sketches.sample(frac=1, random_state=seed)]))
        pd.testing.assert_frame_equal(one[0], other[0])
        pd.testing.assert_frame_equal(one[1], other[1])


def test_sketches_of_several_files_are_read_when_needed(tmp_path):
    """600 signals, enough for whitening, with a duplicate of one in another file."""
    rng, rows = np.random.default_rng(0), []
    for number in rng.permutation(600):
        sketch, detail = compare_vectors(signal(number if number != 599 else 3, 100), 100)
        text = {"record_id": f"{number:03d}", "digest": str(number), "properties": "{}", "anomalies": "[]"}
        rows.append(text | {"sketch": sketch.tobytes(), "detail": detail.tobytes()})
    rows[100] |= {"digest": "", "sketch": b"", "detail": b""}
    whole = pd.DataFrame(rows)
    files = [tmp_path / f"{start}.parquet" for start in (0, 250, 500)]
    for file, start in zip(files, (0, 250, 500), strict=True):
        SKETCHES.write(whole[start : start + 250], file)
    found, expected = find_duplicates(Sketches(files)), find_duplicates(Sketches([whole]))
    assert found[1][["first", "second"]].values.tolist() == [["003", "599"]]
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_candidates_are_compared_a_few_at_a_time(monkeypatch, pages):
    sketches = Sketches([table(pages | {"y": encoded(page(3), 30), "z": encoded(page(4), 30)})])
    expected = find_duplicates(sketches)[1]
    monkeypatch.setattr(candidates, "MOST", 1)
    assert find_duplicates(sketches)[1].equals(expected) and len(expected) == 2


@pytest.fixture(scope="module")
def many() -> tuple[Sketches, np.ndarray]:
    """300 unrelated signals, an altered copy of each, and which copies are near-identical to their originals."""
    base = np.stack([compare_vectors(signal(seed, 100), 100)[1] for seed in range(60)])
    rng = np.random.default_rng(0)
    details = quantized(unrelated(base, 300, rng))
    copies, close = altered(details, rng)
    details = np.concatenate([details, quantized(copies)])
    names = [f"{number:04d}" for number in range(600)]
    rows = pd.DataFrame({"record_id": names, "digest": names, "properties": "{}", "anomalies": "[]"})
    rows["sketch"] = [row.tobytes() for row in sketches_of(details)]
    rows["detail"] = [row.tobytes() for row in details]
    return Sketches([rows]), np.flatnonzero(close)


def test_an_index_finds_the_pairs_that_the_comparison_of_all_finds(many, monkeypatch):
    sketches, close = many
    everything = find_duplicates(sketches)
    assert {(f"{n:04d}", f"{n + 300:04d}") for n in close} <= set(
        everything[1][["first", "second"]].itertuples(index=False, name=None)
    )
    monkeypatch.setattr(candidates, "ALL_PAIRS", 0)
    for one, other in zip(find_duplicates(sketches), everything, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_fast_similarities_are_those_of_the_definition(many):
    sketches, _ = many
    details = sketches.array("detail", np.arange(600)).reshape(-1, 8, 500)
    details[7] = 0
    pairs = np.stack([np.arange(300), np.arange(300, 600)], axis=1)
    expected = [similarity(*details[pair].astype(np.float32), (0, 50)) for pair in pairs]
    assert np.allclose(fast_similarities(details, pairs), np.maximum(expected, 0), atol=1e-3)
    assert 0.5 < np.mean(expected) < 0.999


def test_a_pair_of_neighbouring_cells_is_found_from_either_side(monkeypatch):
    vectors = np.random.default_rng(2).normal(size=(1000, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    monkeypatch.setattr(candidates, "ALL_PAIRS", 0)
    monkeypatch.setattr(candidates, "nearest_cells", lambda cells: 2)
    home, near = candidates._cells(vectors, 32)
    visits = (near[:, None, :] == home[None, :, None]).any(axis=2)
    expected = np.argwhere(np.triu((vectors @ vectors.T >= 0.8) & (visits | visits.T), 1))
    found = np.concatenate(list(candidates.similar_pairs(vectors, 0.8)))
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert np.triu(visits != visits.T, 1).any()


@pytest.mark.parametrize("most", [0, 10_000])
def test_each_similar_pair_is_a_candidate_once(most, monkeypatch):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 12)).repeat(4, axis=0) + rng.normal(0, 0.1, (1200, 12))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    monkeypatch.setattr(candidates, "ALL_PAIRS", most)
    monkeypatch.setattr(candidates, "BLOCK", 500)
    found = np.concatenate(list(candidates.similar_pairs(vectors, 0.95)))
    expected = np.argwhere(np.triu(vectors @ vectors.T >= 0.95, 1))
    assert len(expected) > 1500
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))


def test_no_record_can_be_read():
    empty = {"digest": "", "properties": "{}", "anomalies": "[]", "sketch": b"", "detail": b""}
    duplicates, pairs = find_duplicates(Sketches([pd.DataFrame([{"record_id": name} | empty for name in "ab"])]))
    assert duplicates["near"].tolist() == ["a", "b"]
    assert pairs.empty


def signal(seed: int, rate: int = 500) -> np.ndarray:
    """Twelve leads (mV) of beats at a patient's own rate and shape."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(10 * rate) / rate
    leads = rng.uniform(-1.5, 1.5, (12, 3))
    found = np.zeros((12, len(seconds)))
    for beat in np.arange(rng.uniform(0, 0.5), 10, rng.uniform(0.5, 1.1)):
        for place, width, lead in zip((-0.15, 0, 0.28), (0.03, 0.012, 0.06), leads.T, strict=True):
            found += lead[:, None] * np.exp(-(((seconds - beat - place) / width) ** 2))
    return found


@pytest.mark.parametrize("change", ["gain", "offset", "noise", "lag", "rate"])
def test_changed_copy_of_a_signal_is_found_and_unrelated_records_are_not(change):
    noise = np.random.default_rng(0).normal(0, 0.03, (12, 5000))
    x = signal(3)
    changed, rate = {
        "gain": (x * 1.4, 500),
        "offset": (x + 0.4, 500),
        "noise": (x + noise, 500),
        "lag": (x[:, 250:], 500),
        "rate": (signal(3, 250), 250),
    }[change]
    rows = []
    everyone = {f"s{seed}": (signal(seed), 500) for seed in range(12)} | {"zz": (changed, rate)}
    for name, (samples, hz) in everyone.items():
        sketch, detail = compare_vectors(samples, hz)
        empty = {"properties": "{}", "anomalies": "[]"}
        rows.append({"record_id": name, "digest": name, "sketch": sketch.tobytes(), "detail": detail.tobytes()} | empty)
    assert find_duplicates(Sketches([pd.DataFrame(rows)]))[1][["first", "second"]].values.tolist() == [["s3", "zz"]]


def test_conflicts_and_counts(pages, tmp_path):
    contents = {
        "a": pages["p00"],
        "b": pages["p00"],
        "c": pages["p01"],
        "d": encoded(np.full((80, 100, 3), 255, np.uint8)),
    }
    records = pd.DataFrame({"record_id": list(contents), "patient_id": ["1", "1", "2", None]})
    records["statements"] = [json.dumps({name: 100.0}) for name in ("MI + LBBB", "Normal", "MI + LBBB", "MI + LBBB")]
    found = audit(records, Sketches([table(contents)]))
    assert found.summary["distinct"] == 3
    assert found.summary["conflicts"] == [{"records": ["a", "b"], "statements": ["MI + LBBB", "Normal"]}]
    assert found.summary["distinct_by_class"] == {"MI + LBBB": 3}
    assert (found.summary["patients"], found.summary["patients_with_several"]) == (2, 1)
    assert found.summary["anomalies"] == {"blank": 1}
    SKETCHES.write(table(contents), tmp_path / "s.parquet")
    assert audit(records, Sketches([tmp_path / "s.parquet"])).summary == found.summary


def test_count_leaks_by_hand():
    split = pd.DataFrame(
        {"record_id": list("abcdef"), "role": ["train", "train", "validation", "validation", "test", "test"]}
    )
    duplicates = pd.DataFrame({"record_id": list("abcdef"), "identical": list("abadef"), "near": list("abaaef")})
    records = pd.DataFrame({"record_id": list("abcdef"), "patient_id": ["1", "2", "1", "3", "2", None]})
    assert count_leaks(split, duplicates, records) == {
        "validation": {"records": 2, "identical": 1, "near": 2, "patient": 1},
        "test": {"records": 2, "identical": 0, "near": 0, "patient": 1},
    }
    nobody = records.assign(patient_id=None)
    assert count_leaks(split, duplicates, nobody)["test"]["patient"] is None


def test_transparent_pages_are_compared_on_white_paper():
    def png(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    sketches = []
    for seed in (1, 2):
        grey = cv2.cvtColor(page(seed), cv2.COLOR_RGB2GRAY)
        black_ink = np.dstack([np.zeros((*grey.shape, 3), np.uint8), 255 - grey])
        clear, opaque = (sketch_image(png(image), "page", "page") for image in (black_ink, grey))
        assert np.abs(clear.detail.astype(int) - opaque.detail).mean() < 2
        sketches.append(clear.sketch)
    assert not np.array_equal(*sketches)


@pytest.mark.parametrize("content", [b"no image", encoded(np.full((80, 100, 3), 255, np.uint8))[:300]])
def test_unreadable_image_is_a_record_error_without_internals(content):
    with pytest.raises(RecordError, match="not a readable image") as error:
        sketch_image(content, "a", "a.jpg")
    assert "BytesIO" not in str(error.value)  # its address would differ from run to run


def test_no_program_is_run_for_a_file_that_is_named_like_an_image(monkeypatch):
    run = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **options: run.append(given))
    eps = io.BytesIO()
    Image.fromarray(page(1)).save(eps, "EPS")
    with pytest.raises(RecordError, match="unknown format"):
        sketch_image(eps.getvalue(), "scan", "scan.png")
    assert run == []
