"""A shard of pages becomes a shard of images; broken pages are listed."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.pages import StoredPage, StoredPages, write_pages
from ecgpipe.artifacts.tables import IMAGE_INDEX, PROBLEMS
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.imaging.shard import make_images
from ecgpipe.preprocess.apply import preprocess_file
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats

CONFIG = PreprocessConfig(size=320)
QUICK = PreprocessConfig(size=320, variant="paper")
"""For what does not depend on the variant: it needs no network."""


@pytest.fixture(scope="module")
def page() -> bytes:
    return render_page(beats(), 500, RenderConfig(dpi=100)).encode()


def run(folder, pages, strict=False, config=CONFIG, **options):
    write_pages(pages, folder / "p.parquet")
    names = ("i.npy", "i.index.parquet", "i.problems.parquet")
    files = [folder / name for name in names]
    return make_images(StoredPages([folder / "p.parquet"]), config, *files, title="t", strict=strict, **options)


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


def test_the_problems_table_names_the_raw_file(tmp_path, page):
    pages = [StoredPage("1", page, ""), StoredPage("2", b"no image", "")]
    assert run(tmp_path, pages, names={"1": "scans/1.png", "2": "scans/b/2.png"}) == 1
    assert PROBLEMS.read(tmp_path / "i.problems.parquet")["file"].tolist() == ["scans/b/2.png"]


def test_pages_of_all_kinds_in_one_shard(tmp_path, page):
    picture = Image.open(io.BytesIO(page)).convert("RGB").resize((1100, 850))
    grey = np.asarray(picture.convert("L"))

    def saved(image: Image.Image, kind: str, **options) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    exif = Image.Exif()
    exif[0x0112] = 8
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    good = {
        "png": page,
        "jpeg": saved(picture, "JPEG", quality=90),
        "turned": saved(picture.rotate(-90, expand=True), "JPEG", quality=90, exif=exif),
        "cmyk": saved(picture.convert("CMYK"), "TIFF"),
        "deep": saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "float": saved(Image.fromarray(grey.astype(np.float32)), "TIFF"),
        "la": saved(picture.convert("LA"), "PNG"),
        "rgba": saved(picture.convert("RGBA"), "WEBP", lossless=True),
        "bilevel": saved(picture.convert("L").point(lambda value: 255 * (value > 160)).convert("1"), "TIFF"),
    }
    bad = {
        "blank": saved(Image.new("RGB", (1000, 800), "white"), "PNG"),
        "black": saved(Image.new("L", (1000, 800)), "PNG"),
        "cut": good["jpeg"][: len(good["jpeg"]) // 3],
        "empty": b"",
        "flat": saved(Image.new("L", (4000, 3)), "PNG"),
        "huge": saved(Image.new("1", (9000, 9000)), "PNG"),
        "noise": saved(Image.fromarray(noise), "PNG"),
    }
    pages = [StoredPage(name, data, "") for name, data in sorted({**good, **bad}.items())]
    run(tmp_path, pages, config=QUICK)
    index, problems = IMAGE_INDEX.read(tmp_path / "i.index.parquet"), PROBLEMS.read(tmp_path / "i.problems.parquet")
    assert set(good) <= set(index["record_id"])
    assert set(bad) - {"noise"} == set(problems["record_id"]) - {"noise"}  # noise may look like ink
    assert len(index) + len(problems) == len(pages)
    images = dict(zip(index["record_id"], unpack(open_images(tmp_path / "i.npy")), strict=True))
    for name in set(good) - {"bilevel"}:  # the same picture, whatever its file
        common = (images[name] & cv2.dilate(images["png"], np.ones((3, 3), np.uint8))).sum()
        assert common > 0.9 * images[name].sum() > 0.6 * images["png"].sum(), name


def test_strict_stops(tmp_path, page):
    with pytest.raises(DataError, match="record 2"):
        run(tmp_path, [StoredPage("1", page, ""), StoredPage("2", b"", "")], strict=True)
    assert not (tmp_path / "i.npy").exists()


def test_an_empty_shard(tmp_path):
    assert run(tmp_path, []) == 0
    assert open_images(tmp_path / "i.npy").shape == (0, 320, 40)


def test_the_files_are_the_same_whatever_the_number_of_processes(tmp_path, page):
    """Also those of the reader: tests/workflow/test_keep_pages.py."""
    pages = [StoredPage(f"{number:03d}", page if number % 7 else b"", "") for number in range(20)]
    contents = []
    write_pages(pages, tmp_path / "p.parquet")
    for workers in (1, 3):
        files = [tmp_path / f"{workers}{end}" for end in (".npy", ".index.parquet", ".problems.parquet")]
        make_images(StoredPages([tmp_path / "p.parquet"]), QUICK, *files, title="t", workers=workers)
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]
    assert len(open_images(tmp_path / "1.npy")) == 17
