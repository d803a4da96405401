"""Names of the files of results: no input and no result of another page is replaced."""

import json
import os

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ecgpipe.artifacts.files import check_writable
from ecgpipe.artifacts.page_files import find_files
from ecgpipe.artifacts.page_names import RECORD_OTHERS, ResultNames, page_stem, source_of
from ecgpipe.errors import DataError


def test_names_come_from_the_picture_not_its_folder(tmp_path):
    names = ResultNames(tmp_path, [".json"])
    pictures = ["ECG, page 2/a.png", "b, page 3.pdf, page 2", "A.jpg", "c (1).png"]
    assert [names.stem(picture) for picture in pictures] == ["a", "b__page_3-2", "A-2", "c_(1)"]


def test_names_are_plain_short_and_never_only_underscores():
    assert page_stem('../a "b"\r\n.png') == "a__b___" and page_stem("Größe 1.jpg") == "Größe_1"
    assert page_stem("scan.pdf, page 3", RECORD_OTHERS) == "scan-3"
    one, other = (page_stem(f"{name}.png", RECORD_OTHERS) for name in ("心电图", "血压图"))
    assert one != other and one.startswith("___-") and page_stem("心电图.png") == "心电图"
    long = [page_stem(f"{letter * 300}{end}.png, page 500") for letter in "a心" for end in "12"]
    assert len(set(long)) == 4 and all(len(os.fsencode(stem)) < 120 and stem.endswith("-500") for stem in long)
    assert not page_stem(".png").startswith(".")
    assert page_stem(os.fsdecode(b"Gr\xf6\xdfe.png")) == "Gr__e"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of results; the current folder is another one."""
    (tmp_path / "c1").mkdir()
    monkeypatch.chdir(tmp_path / "c1")
    return tmp_path


def store(folder, name_of_file, **content):
    (folder / f"{name_of_file}.json").write_text(json.dumps(content))


def test_results_of_another_page_are_kept(folder, monkeypatch):
    ends = [".json", "-overlay.png"]
    store(folder, "scan", source=source_of("scan.png"), name="scan.png")
    assert ResultNames(folder, ends).stem("scan.png") == "scan"  # its own
    assert ResultNames(folder, ends).stem(str(folder / "c1" / "scan.png")) == "scan"
    assert ResultNames(folder, ends).stem("scan.jpg") == "scan-2"
    (folder / "c2").mkdir()
    monkeypatch.chdir(folder / "c2")
    assert ResultNames(folder, ends).stem("scan.png") == "scan-2"


@pytest.mark.parametrize("content", ["[]", "{}", "words", '{"name": 1}'])
def test_other_files_of_these_names_are_kept(folder, content):
    (folder / "scan.json").write_text(content)
    Image.new("L", (4, 4)).save(folder / "b-overlay.png")
    names = ResultNames(folder, [".json", "-overlay.png"])
    assert [names.stem("scan.png"), names.stem("b.png")] == ["scan-2", "b-2"]


def test_an_overlay_names_its_source(folder):
    info = PngInfo()
    info.add_itxt("source", source_of("scan.png"))
    Image.new("L", (4, 4)).save(folder / "scan-MI.png", pnginfo=info)
    assert ResultNames(folder, [".png"]).stem("scan.png", "MI") == "scan-MI"
    assert ResultNames(folder, [".png"]).stem("c2/scan.png", "MI") == "scan-MI-2"
    Image.new("L", (4, 4)).save(folder / "scan-MI.png")
    assert ResultNames(folder, [".png"]).stem("scan.png", "MI") == "scan-MI-2"


def test_an_input_is_never_a_result(folder):
    store(folder, "x", source=source_of("x.png"))
    inputs = [folder / "c1" / ".." / "x-page.png"]
    assert ResultNames(folder, [".json", "-page.png"], inputs).stem("x.png") == "x-2"


def test_pictures_of_results_are_no_pages(folder):
    for name in ("x.png", "x-page.png", "x-overlay.png", "y-page.png", "x-photo.png"):
        Image.new("L", (4, 4)).save(folder / name)
    store(folder, "x", name="x.png", stem="x")
    store(folder, "y", stem="z")
    assert [file.name for file in find_files([folder], {".png"}).files] == ["x-photo.png", "x.png", "y-page.png"]


def test_a_folder_that_cannot_be_written_is_noticed(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/b: cannot be written .*; give another folder"):
        check_writable(tmp_path / "file" / "b")
