"""A shard of pages becomes a shard of images; broken pages are listed."""

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.image_index import IMAGE_INDEX
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.problems import PROBLEMS
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.config.render import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.apply import preprocess_file
from ecgpipe.preprocess.shard import preprocess_shard
from ecgpipe.render.draw import render_page

CONFIG = PreprocessConfig(size=320)


@pytest.fixture(scope="module")
def page() -> bytes:
    time = np.arange(1000) / 100
    signal = np.stack([np.sin(2 * np.pi * (1 + lead / 12) * time) for lead in range(12)])
    return render_page(signal, 100, RenderConfig()).encode()


def run(folder, pages, strict=False):
    write_pages(pages, folder / "p.parquet")
    names = ("i.npy", "i.index.parquet", "i.problems.parquet")
    return preprocess_shard(folder / "p.parquet", CONFIG, *(folder / name for name in names), title="t", strict=strict)


def test_good_pages_in_order_and_broken_ones_listed(tmp_path, page):
    white = cv2.imencode(".png", np.full((600, 800), 255, np.uint8))[1].tobytes()
    pages = [
        StoredPage("1", page, ""),
        StoredPage("2", page[: len(page) // 2], ""),
        StoredPage("3", white, ""),
        StoredPage("4", b"no image", ""),
        StoredPage("5", page, ""),
    ]
    assert run(tmp_path, pages) == 2
    images, index = open_images(tmp_path / "i.npy"), IMAGE_INDEX.read(tmp_path / "i.index.parquet")
    expected = preprocess_file(page, "1", CONFIG)
    assert index["record_id"].tolist() == ["1", "5"]
    assert (unpack(images[1]) == expected).all()
    assert index["ink"].tolist() == pytest.approx([expected.mean()] * 2)
    assert PROBLEMS.read(tmp_path / "i.problems.parquet")["record_id"].tolist() == ["2", "3", "4"]


def test_strict_stops(tmp_path, page):
    with pytest.raises(DataError, match="record 2"):
        run(tmp_path, [StoredPage("1", page, ""), StoredPage("2", b"", "")], strict=True)
    assert not (tmp_path / "i.npy").exists()


def test_an_empty_shard(tmp_path):
    assert run(tmp_path, []) == 0
    assert open_images(tmp_path / "i.npy").shape == (0, 320, 40)


def test_the_files_are_the_same_whatever_the_number_of_processes(tmp_path, page):
    pages = [StoredPage(f"{number:03d}", page if number % 7 else b"", "") for number in range(40)]
    contents = []
    write_pages(pages, tmp_path / "p.parquet")
    for workers in (1, 2, 3):
        files = [tmp_path / f"{workers}{end}" for end in (".npy", ".index.parquet", ".problems.parquet")]
        preprocess_shard(tmp_path / "p.parquet", CONFIG, *files, title="t", workers=workers)
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1] == contents[2]
    assert len(open_images(tmp_path / "1.npy")) == 34
