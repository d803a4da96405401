"""Images and pages are the same whether pages are stored or rendered on demand."""

import cv2
import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.imaging.pages import RenderedPages
from ecgpipe.imaging.shard import make_images
from ecgpipe.render.page import render_page
from ecgpipe.render.shard import render_shard
from tests.preprocess.pages import beats

PNG_AND_JPEG = {"level": "photo", "seed": 1, "jpeg": {"probability": 0.5, "range": [40, 60]}}
SOME = {"rotation": {"probability": 0.5, "range": [2, 3]}}
"""Rotates three of the five usable records; 00004 and 00005 stay as rendered."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Six simulated records; the data file of the third is truncated."""
    folder = tmp_path_factory.mktemp("direct") / "raw"
    simulate_dataset(folder, records=6, seed=2)
    data = folder / "records100/00000/00003_lr.dat"
    data.write_bytes(data.read_bytes()[:-2])
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """An image dataset: a page, a file that is not an image, a white image, and a record without a file."""
    folder = tmp_path_factory.mktemp("pictures")
    cv2.imwrite(str(folder / "a.jpg"), render_page(beats(), 500, RenderConfig(dpi=100)).image[..., ::-1])
    (folder / "b.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "c.png"), np.full((600, 800), 255, np.uint8))
    return folder, pd.DataFrame({"record_id": [*"abcd"], "path": ["a.jpg", "b.png", "c.png", "d.png"]})


def outputs(folder, name):
    ends = (".npy", ".index.parquet", ".problems.parquet")
    return [folder / f"{name}{end}" for end in ends]


def problems(*files):
    """Rows of problems tables. The file of an unusable page differs: without pages files it is the record's."""
    return [row for file in files for row in PROBLEMS.read(file).drop(columns="file").to_dict("records")]


def both_ways(records, source, rate, render, config, folder, workers=1):
    """Images from stored pages and from records, the pages file, and its problems table."""
    kept, direct = outputs(folder, "kept"), outputs(folder, "direct")
    pages, broken = folder / "pages.parquet", folder / "pages.problems.parquet"
    plain = None if render is None else render.model_dump(mode="json")  # as Snakemake passes it
    render_shard(records, source, rate, render, pages, broken, title="t")
    make_images(StoredPages([pages]), config, *kept, title="t")
    rendered = RenderedPages(records, source, rate, plain)
    count = make_images(rendered, config, *direct, title="t", workers=workers)
    assert [file.read_bytes() for file in direct[:2]] == [file.read_bytes() for file in kept[:2]]
    assert problems(direct[2]) == problems(broken, kept[2])
    assert list(rendered) == list(StoredPages([pages]))
    return count, direct, rendered, StoredPages([pages])


def make(records, source, config, files, start=0.0, **options):
    return make_images(RenderedPages(records, source, 100, {}, start=start), config, *files, title="t", **options)


@pytest.mark.parametrize(
    ("render", "preprocess"),
    [
        ({}, {"variant": "paper"}),
        ({"layout": "cardiac-images", "dpi": 100, "degrade": PNG_AND_JPEG}, {"size": 320}),
        ({"dpi": 100, "degrade": SOME}, {"size": 320}),
        ({"layout": "6x2", "dpi": 100}, {"variant": "paper", "size": 320}),
    ],
)
def test_stored_and_rendered_pages_give_the_same_images_and_problems(copy, tmp_path, render, preprocess):
    records, _ = list_ptbxl_records(copy, 100, 1000)
    config = RenderConfig(**RenderConfig(**render).model_dump(mode="json"))
    count, direct, rendered, stored = both_ways(
        records, copy, 100, config, PreprocessConfig(**preprocess), tmp_path, workers=2
    )
    assert count == 5
    assert PROBLEMS.read(direct[2])[["stage", "record_id"]].values.tolist() == [["render", "00003"]]
    assert rendered.find(["00005", "00003"]) == stored.find(["00005", "00003"])
    assert rendered.find(["00005", "00003"]).keys() == {"00005"}


def test_images_of_undegraded_records_have_exactly_the_true_traces(copy, tmp_path):
    records, _ = list_ptbxl_records(copy, 100, 1000)
    config = PreprocessConfig()
    files = outputs(tmp_path, "traces")
    assert make(records, copy, config, files) == 5
    assert PROBLEMS.read(files[2])["record_id"].tolist() == ["00003"]
    images = unpack(open_images(files[0]))
    for row, record_id in enumerate(["00001", "00002", "00004", "00005", "00006"]):
        signal, rate = read_signal(copy / f"records100/00000/{record_id}_lr", record_id)
        page = render_page(signal, rate, RenderConfig())
        transform = read_transforms([files[1]], [record_id])[record_id]
        rows, columns = np.nonzero(page.trace_mask)
        points = transform.to_image((np.stack([columns, rows], axis=1) + 0.5) / page.shape[::-1])
        true = np.zeros_like(images[row])
        at = (points * config.size).astype(int)
        assert at.min() >= 0 and at.max() < config.size
        true[at[:, 1], at[:, 0]] = 1
        kernel = np.ones((3, 3), np.uint8)
        assert (images[row] & ~cv2.dilate(true, kernel) & 1).sum() == 0
        assert (true & ~cv2.dilate(images[row], kernel) & 1).sum() == 0


def test_the_kit_requires_kept_pages():
    with pytest.raises(ConfigError, match=r"keep_pages: false .* renderer: ecgpipe"):
        validate_config({"keep_pages": False, "render": {"renderer": "ecg-image-kit", "kit_path": "x"}})


def test_an_image_data_set_needs_no_copies(pictures, tmp_path):
    source, records = pictures
    count, direct, *_ = both_ways(records, source, None, None, PreprocessConfig(size=320), tmp_path)
    assert count == 1
    table = PROBLEMS.read(direct[2])
    assert table[["stage", "record_id"]].values.tolist() == [["render", "d"], ["preprocess", "b"], ["preprocess", "c"]]
    assert table.set_index("record_id")["file"]["c"] == str(source / "c.png")


def test_strict_stops_at_either_stage(copy, pictures, tmp_path):
    records, _ = list_ptbxl_records(copy, 100, 1000)
    files = outputs(tmp_path, "direct")
    with pytest.raises(DataError, match=r"00003.*strict"):
        make(records, copy, PreprocessConfig(), files, strict=True)
    source, table = pictures
    with pytest.raises(DataError, match=r"record b.*strict"):
        pages = RenderedPages(table, source, None, None)
        make_images(pages, PreprocessConfig(), *files, title="t", strict=True)
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("variant", ["reader", "paper"])
def test_a_page_may_begin_later_in_the_recording(copy, tmp_path, variant):
    """The reference is a record whose 1,000 samples were rolled by a quarter."""
    records, _ = list_ptbxl_records(copy, 100, 1000)
    one = records.iloc[[0]]
    signal, rate = read_signal(copy / one["path"].iloc[0], "1", 100)
    rolled = np.concatenate([signal[:, 250:], signal[:, :250]], axis=1)
    wfdb.wrsamp(
        "rolled", rate, ["mV"] * 12, list(LEADS), rolled.T, fmt=["16"] * 12, adc_gain=[1000] * 12, baseline=[0] * 12,
        write_dir=str(tmp_path),
    )  # fmt: skip
    other = pd.DataFrame({"record_id": one["record_id"], "path": ["rolled"]})
    config = PreprocessConfig(size=320, variant=variant)
    images = {}
    for name, rows, source, start in (
        ("later", one, copy, 0.25),
        ("rolled", other, tmp_path, 0.0),
        ("now", one, copy, 0),
    ):
        make(rows, source, config, outputs(tmp_path, name), start)
        images[name] = unpack(open_images(tmp_path / f"{name}.npy"))[0]
    assert np.array_equal(images["later"], images["rolled"])
    assert not np.array_equal(images["later"], images["now"])
