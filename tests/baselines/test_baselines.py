"""Baselines on small datasets: each detects its kind of leak, and nothing where there is none."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from ecgpipe.artifacts.baselines import BaselineFeatures
from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.page_transform import PageTransform, index_row
from ecgpipe.artifacts.pages import StoredPage, StoredPages, write_pages
from ecgpipe.artifacts.tables import IMAGE_INDEX, Labels
from ecgpipe.baselines.classifiers import linear, majority, nearest, run_baseline
from ecgpipe.baselines.features import mask_page, outside_pixels, shard_features, trace_area
from ecgpipe.config.analysis import BaselinesConfig
from ecgpipe.errors import DataError

CLASSES = ("A", "B", "C")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Sizes that fit pages of 64 x 64."""
    monkeypatch.setattr("ecgpipe.baselines.features.THUMBNAIL", (16, 16))
    monkeypatch.setattr("ecgpipe.baselines.features.OUTSIDE", (32, 32))
    monkeypatch.setattr("ecgpipe.baselines.classifiers.COMPONENTS", 10)


def one_hot(classes: np.ndarray, count: int = 3) -> np.ndarray:
    return np.eye(count, dtype=np.uint8)[classes]


def data_set(folder, truth, *, mark=False, trace=False, policy="single", duplicate_of=None):
    """Pages of 64 x 64, random traces in the middle; a mark in the border or in the trace can tell the class."""
    import cv2

    generator = np.random.default_rng(5)
    pages, images, ids = [], [], [f"{i:04d}" for i in range(len(truth))]
    for i, name in enumerate(ids):
        ink = np.zeros((64, 64), np.uint8)
        ink[20:44, 10:54] = generator.random((24, 44)) < 0.2
        if trace:
            ink[22:42, 12 + 12 * truth[i] : 22 + 12 * truth[i]] = 1
        if duplicate_of is not None and duplicate_of[i] != i:
            ink = images[duplicate_of[i]].copy()
        images.append(ink)
        page = np.where(ink, 0, 255).astype(np.uint8)
        if mark:
            page[2:8, 4 + 16 * truth[i] : 14 + 16 * truth[i]] = 0
        pages.append(StoredPage(name, cv2.imencode(".png", page)[1].tobytes(), ""))
    write_pages(pages, folder / "pages.parquet")
    write_images([pack(image) for image in images], 64, folder / "images.npy")
    IMAGE_INDEX.write([index_row(name, 0.1, None) for name in ids], folder / "index.parquet")
    area = trace_area([folder / "images.npy"], [folder / "index.parquet"])
    features = shard_features(
        StoredPages([folder / "pages.parquet"]), folder / "images.npy", folder / "index.parquet", area, "test"
    )
    features.write(folder / "features.npz")
    targets = one_hot(np.asarray(truth))
    labels = Labels(np.array(ids), targets, CLASSES, policy)
    roles = np.where(np.arange(len(ids)) % 3 == 2, "test", "train")
    return pd.DataFrame({"record_id": ids, "role": roles}), labels, [folder / "features.npz"]


def accuracy(predictions) -> float:
    return float((predictions.probabilities.argmax(axis=1) == predictions.targets.argmax(axis=1)).mean())


def truth_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, count)


def test_a_mark_in_the_border_is_detected_outside_but_not_in_the_images(tmp_path):
    split, labels, files = data_set(tmp_path, truth_of(120), mark=True)
    assert accuracy(run_baseline("baseline-outside", split, labels, files, 0)) == 1
    assert accuracy(run_baseline("baseline-thumbnail", split, labels, files, 0)) < 0.6


def test_outside_does_not_see_the_traces(tmp_path):
    split, labels, files = data_set(tmp_path, truth_of(120), trace=True)
    seen = run_baseline("baseline-thumbnail", split, labels, files, 0)
    blind = run_baseline("baseline-outside", split, labels, files, 0)
    assert accuracy(seen) == 1
    # nothing varies outside: every record gets the classes' shares
    np.testing.assert_allclose(
        blind.logits, run_baseline("baseline-majority", split, labels, files, 0).logits, rtol=1e-6
    )
    assert np.ptp(BaselineFeatures.read(files, "outside")[1], axis=0).max() == 0


def test_shuffled_labels_score_at_chance_and_are_reproducible(tmp_path):
    split, labels, files = data_set(tmp_path, truth_of(240), trace=True)
    assert accuracy(run_baseline("baseline-thumbnail", split, labels, files, 0)) == 1
    areas = []
    for number in range(1, 11):
        predictions = run_baseline(f"baseline-shuffled-{number}", split, labels, files, 0)
        areas.append(roc_auc_score(predictions.targets, predictions.probabilities, average="macro"))
    assert abs(np.mean(areas) - 0.5) < 3 * np.std(areas, ddof=1) / np.sqrt(10) + 0.02
    again = run_baseline("baseline-shuffled-10", split, labels, files, 0)
    np.testing.assert_array_equal(again.logits, predictions.logits)
    other = run_baseline("baseline-shuffled-10", split, labels, files, 1)
    assert not np.array_equal(other.logits, predictions.logits)


def test_duplicates_across_the_split_make_the_nearest_neighbour_perfect(tmp_path):
    truth = truth_of(90)
    duplicate_of = np.arange(90)
    for i in range(2, 90, 3):  # each test record duplicates the one before it
        duplicate_of[i], truth[i] = i - 1, truth[i - 1]
    split, labels, files = data_set(tmp_path, truth, duplicate_of=duplicate_of)
    assert accuracy(run_baseline("baseline-nearest", split, labels, files, 0)) == 1
    split, labels, files = data_set(tmp_path, truth_of(90))
    assert accuracy(run_baseline("baseline-nearest", split, labels, files, 0)) < 0.65


def test_the_order_of_rows_does_not_matter(tmp_path):
    split, labels, files = data_set(tmp_path, truth_of(60), mark=True)
    first = run_baseline("baseline-outside", split, labels, files, 0)
    second = run_baseline("baseline-outside", split.iloc[::-1], labels, files, 0)
    np.testing.assert_array_equal(first.logits, second.logits)


def test_nearest_agrees_with_scikit_learn():
    generator = np.random.default_rng(1)
    train, test = generator.integers(0, 256, (200, 30), np.uint8), generator.integers(0, 256, (80, 30), np.uint8)
    truth = generator.integers(0, 3, 200)
    reference = KNeighborsClassifier(1).fit(train.astype(float), truth).predict(test.astype(float))
    np.testing.assert_array_equal(nearest(train, one_hot(truth), test, "single").argmax(axis=1), reference)
    several = (generator.random((200, 4)) < 0.3).astype(np.uint8)
    reference = KNeighborsClassifier(1).fit(train.astype(float), several).predict(test.astype(float))
    np.testing.assert_array_equal(nearest(train, several, test, "multilabel") >= 0, reference)


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_a_class_without_training_records_has_finite_logits_and_is_never_predicted(task):
    generator = np.random.default_rng(2)
    train, test = generator.integers(0, 256, (60, 20), np.uint8), generator.integers(0, 256, (15, 20), np.uint8)
    targets = one_hot(generator.integers(0, 2, 60))  # the third class is empty
    form = np.ones((60, 2)), np.ones((15, 2))
    for logits in (
        nearest(train, targets, test, task),
        linear((train, form[0]), targets, (test, form[1]), task),
        majority(targets, 15, task),
    ):
        assert np.isfinite(logits).all()
        assert (logits[:, 2] < logits[:, :2].max(axis=1)).all()
        assert task == "single" or (logits[:, 2] < 0).all()


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_constant_pages_give_the_class_shares(task):
    train, test = np.full((50, 12), 200, np.uint8), np.full((7, 12), 200, np.uint8)
    targets = one_hot(np.r_[np.zeros(30, int), np.ones(15, int), np.full(5, 2)])
    form = np.full((50, 2), 640.0), np.full((7, 2), 640.0)
    logits = linear((train, form[0]), targets, (test, form[1]), task)
    np.testing.assert_array_equal(logits, majority(targets, 7, task))
    odds = np.exp(majority(targets, 1, "single")[0])
    np.testing.assert_allclose(odds / odds.sum(), [30.5 / 51.5, 15.5 / 51.5, 5.5 / 51.5], rtol=1e-6)


def test_multilabel_classes_are_independent():
    generator = np.random.default_rng(3)
    targets = (generator.random((300, 3)) < 0.5).astype(np.uint8)
    features = np.repeat(targets * 200, 4, axis=1).astype(np.uint8) + generator.integers(0, 20, (300, 12), np.uint8)
    form = np.zeros((300, 2))
    logits = linear((features[:200], form[:200]), targets[:200], (features[200:], form[200:]), "multilabel")
    np.testing.assert_array_equal(logits >= 0, targets[200:])


def test_a_page_size_that_depends_on_the_class_is_detected(monkeypatch):
    monkeypatch.setattr("ecgpipe.baselines.classifiers.REGULARISATION", 10)
    truth = truth_of(90)
    flat, form = np.zeros((90, 5), np.uint8), np.stack([600 + 40 * truth, 500 + 0 * truth], axis=1).astype(float)
    logits = linear((flat[:60], form[:60]), one_hot(truth[:60]), (flat[60:], form[60:]), "single")
    np.testing.assert_array_equal(logits.argmax(axis=1), truth[60:])


@pytest.mark.parametrize("count", [2, 3])
def test_a_page_size_unlike_all_others_has_finite_logits(count):
    truth = np.arange(600) % count
    form = np.full((600, 2), 2200.0)
    form[:3, 0], truth[:3] = 2201, 0  # the training pages hardly differ
    other = np.array([[2200.0, 2200], [2201, 2200], [4000, 2200]])
    flat = np.zeros((600, 5), np.uint8), np.zeros((3, 5), np.uint8)
    logits = linear((flat[0], form), one_hot(truth, count), (flat[1], other), "single")
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)
    assert logits[1:].argmax(axis=1).tolist() == [0, 0]


def test_transparent_pages_are_white_as_in_the_images(tmp_path):
    import cv2

    ink = np.zeros((64, 64), np.uint8)
    ink[20:44, 30:34] = 1
    pages = {"clear": np.zeros((64, 64, 4), np.uint8), "white": np.where(ink, 0, 255).astype(np.uint8)}
    pages["clear"][..., 3] = 255 * ink  # black ink, nothing around it
    write_pages(
        [StoredPage(name, cv2.imencode(".png", page)[1].tobytes(), "") for name, page in pages.items()],
        tmp_path / "pages.parquet",
    )
    files = tmp_path / "images.npy", tmp_path / "index.parquet"
    write_images([pack(ink), pack(ink)], 64, files[0])
    IMAGE_INDEX.write([index_row(name, 0.1, None) for name in pages], files[1])
    area = trace_area([files[0]], [files[1]])
    found = shard_features(StoredPages([tmp_path / "pages.parquet"]), *files, area, "test")
    assert (found.outside == 255).all()
    assert 0 < found.pages[1].mean() < 255
    np.testing.assert_array_equal(found.pages[0], found.pages[1])


def test_the_area_contains_all_ink_and_the_mask_hides_it(tmp_path):
    images = np.zeros((2, 80, 80), np.uint8)
    images[0, 30, 10], images[1, 50, 69] = 1, 1
    write_images([pack(image) for image in images], 80, tmp_path / "a.npy")
    files = [tmp_path / "a.npy"], [tmp_path / "a.parquet"]
    IMAGE_INDEX.write([index_row(name, 0.1, None) for name in "ab"], tmp_path / "a.parquet")
    area = trace_area(*files)
    assert area == {"top": 0.37, "bottom": 0.6425, "left": 0.12, "right": 0.88, "records": 2}
    page = np.where(images.any(axis=0), 0, 255).astype(np.uint8)
    assert mask_page(page, area).min() == 255
    kept = outside_pixels(area, 10, 10)
    assert not kept[3:7, 1:9].any() and kept[:3].all() and kept[7:].all() and kept[:, 0].all() and kept[:, 9].all()
    # an image that shows only the page's middle half
    inner = trace_area(*files, (0.25, 0.25, 0.25, 0.25))
    assert inner["top"] == pytest.approx(0.25 + 0.5 * 30 / 80 - 0.005)
    write_images([], 80, tmp_path / "b.npy")
    IMAGE_INDEX.write([], tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no image has ink"):
        trace_area([tmp_path / "b.npy"], [tmp_path / "b.parquet"])


def test_the_area_of_canvases_lies_around_the_traces_of_the_pages(tmp_path):
    """A drawn page's image is a canvas around its traces: the area hides every trace, but not the page's upper edge."""
    image = np.zeros((80, 80), np.uint8)
    image[20:60, 10:70] = 1
    scaled = PageTransform(np.array([[1.6, 0, -0.3], [0, 2, -0.6], [0, 0, 1]]))  # page -> image
    turned = PageTransform(scaled.matrix @ np.array([[0.995, -0.1, 0.05], [0.1, 0.995, -0.05], [0, 0, 1]]))
    write_images([pack(image)], 80, tmp_path / "a.npy")
    for transform, name in ((scaled, "scaled"), (turned, "turned")):
        IMAGE_INDEX.write([index_row("a", 0.1, transform)], tmp_path / "a.parquet")
        area = trace_area([tmp_path / "a.npy"], [tmp_path / "a.parquet"])
        corners = np.array([[x, y] for x in (10 / 80, 70 / 80) for y in (20 / 80, 60 / 80)])
        for x, y in transform.to_page(corners):
            assert area["left"] <= x <= area["right"] and area["top"] <= y <= area["bottom"], name
        if name == "scaled":
            assert area["top"] == pytest.approx((0.25 + 0.6) / 2 - 0.005)
            assert area["right"] == pytest.approx((0.875 + 0.3) / 1.6 + 0.005)


def test_errors(tmp_path):
    split, labels, files = data_set(tmp_path, truth_of(30))
    with pytest.raises(DataError, match="unknown baseline"):
        run_baseline("baseline-other", split, labels, files, 0)
    more = pd.concat([split, pd.DataFrame({"record_id": ["zzz"], "role": ["test"]})])
    with pytest.raises(DataError, match="1 records of the split have no labels, zzz first"):
        run_baseline("baseline-nearest", more, labels, files, 0)
    (tmp_path / "features.npz").write_bytes(b"PK broken")
    with pytest.raises(DataError, match="not a readable"):
        run_baseline("baseline-nearest", split, labels, files, 0)


def test_names_of_baselines():
    assert BaselinesConfig(enabled=("nearest", "shuffled"), shuffles=2).names == (
        "baseline-nearest",
        "baseline-shuffled-1",
        "baseline-shuffled-2",
    )
