"""The image dataset: classes from folders, checksums of files, clear errors."""

import re
import shutil
from pathlib import Path

import pytest

from ecgpipe.acquire.cardiac_images import CLASSES, class_images, list_cardiac_images
from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.config.data import CardiacImagesConfig
from ecgpipe.errors import DataError

FOLDERS = (
    "Normal Person ECG Images (284x12=3408)",
    "ECG Images of Myocardial Infarction Patients (240x12=2880)",
    "ECG Images of Patient that have History of MI (172x12=2064)",
    "ECG Images of Patient that have abnormal heartbeat (233x12=2796)",
)


@pytest.fixture
def copy(tmp_path):
    for folder, prefix in zip(FOLDERS, ("Normal", "MI", "PMI", "HB"), strict=True):
        (tmp_path / folder).mkdir()
        for number in range(5):
            # of five images the last two are the same file
            (tmp_path / folder / f"{prefix}({number + 1}).jpg").write_bytes(f"{prefix}{min(number, 3)}".encode())
    return tmp_path


def test_published_folder_names_are_recognised(copy):
    found = class_images(copy)
    assert [{Path(image).parent.name for image in found[name]} for name in CLASSES] == [{name} for name in FOLDERS]


def test_class_folders_may_be_one_level_deeper_and_other_files_are_ignored(copy, tmp_path_factory):
    top = tmp_path_factory.mktemp("deeper")
    shutil.copytree(copy, top / "dataset")
    for name in ("cover.jpg", "__MACOSX/Normal/x.jpg", "dataset/more/Normal/y.jpg", f"dataset/{FOLDERS[0]}/notes.txt"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")
    assert sum(len(images) for images in class_images(top).values()) == 20


def test_images_have_checksums(copy):
    records = list_cardiac_images(copy, shards=3, expected=20).set_index("record_id")
    assert len(records) == 20
    assert records["content"].nunique() == 16
    assert records.loc["MI(4)", "content"] == records.loc["MI(5)", "content"]
    assert records["patient_id"].isna().all()
    assert records.loc["PMI(2)", "statements"] == '{"History of Myocardial Infarction": 100.0}'


def test_a_changed_image_changes_the_hash_of_its_shard_and_the_listing(copy):
    def hashes():
        dataset = make_dataset("cardiac-images", CardiacImagesConfig(source=str(copy)), "results", "resources")
        return {shard: dataset.raw_files_hash(shard) for shard in dataset.shards()}, dataset.listing_hash()

    before, listing = hashes()
    (copy / FOLDERS[0] / "Normal(1).jpg").write_bytes(b"other")
    after, changed = hashes()
    assert sum(before[shard] != after[shard] for shard in before) == 1
    assert changed != listing  # it contains the checksums of the images


def test_incomplete_copies(copy):
    with pytest.raises(DataError, match="20 images, expected 928"):
        list_cardiac_images(copy, 3, 928)
    (copy / FOLDERS[1] / "PMI(1).jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"PMI\(1\)"):
        list_cardiac_images(copy, 3)
    shutil.rmtree(copy / FOLDERS[3])
    with pytest.raises(DataError, match="Abnormal Heartbeat"):
        list_cardiac_images(copy, 3)
    with pytest.raises(DataError, match=r"cardiac_images\.source"):
        class_images(copy / "nowhere")


def test_an_image_that_cannot_be_read_is_named(copy, monkeypatch):
    victim, read_bytes = copy / FOLDERS[1] / "MI(2).jpg", Path.read_bytes

    def refuse(file):
        if file == victim:
            raise PermissionError(13, "Permission denied", str(file))
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=rf"{re.escape(str(victim))}: cannot be read \(Permission denied\)"):
        list_cardiac_images(copy, 3)


@pytest.mark.realdata
def test_the_public_copy_has_491_distinct_images(cardiac_copy):
    records = list_cardiac_images(cardiac_copy, 4, 928)
    assert records["content"].nunique() == 491
    assert records["statements"].value_counts().to_dict() == {
        '{"Normal": 100.0}': 284,
        '{"Myocardial Infarction": 100.0}': 239,
        '{"Abnormal Heartbeat": 100.0}': 233,
        '{"History of Myocardial Infarction": 100.0}': 172,
    }
