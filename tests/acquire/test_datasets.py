"""Every kind of dataset as the workflow sees it: listing, shards, and what to watch."""

import os
import shutil

import pytest

from ecgpipe.acquire.datasets import GENERATED, list_records, make_dataset
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.config.data import CardiacImagesConfig, PtbXlConfig, SimulatedConfig
from ecgpipe.config.own import OwnConfig

TABLES = ["ptbxl_database.csv", "scp_statements.csv"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    top = tmp_path_factory.mktemp("sources")
    simulate_dataset(top / "ptb-xl", records=12, seed=1)
    for folder in ("Normal", "MI", "History of MI", "Abnormal heartbeat"):
        for number in range(3):
            path = top / "images" / folder / f"{folder} {number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())
    return top


@pytest.mark.parametrize(
    ("name", "config", "folder"),
    [
        ("ptb-xl", lambda source: PtbXlConfig(source=source, shard_size=5), "ptb-xl"),
        ("cardiac-images", lambda source: CardiacImagesConfig(source=source, files=12), "images"),
        ("clinic", lambda source: OwnConfig(kind="images", source=source, shards=2), "images"),
    ],
)
def test_listing_agrees_with_the_shards(sources, name, config, folder):
    dataset = make_dataset(name, config(str(sources / folder)), "results", "resources")
    records, problems = list_records(dataset.layout, name, dataset.source, dataset.settings)
    assert len(records) == 12 and not problems
    assert set(records["shard"]) <= set(dataset.shards())
    assert all(dataset.raw_files_hash(shard) not in ("", GENERATED) for shard in set(records["shard"]))
    assert dataset.user_supplied and dataset.generated_inputs() == []
    assert dataset.kind == ("signals" if name == "ptb-xl" else "images")
    assert dataset.duplicates_from_audit == (name == "clinic")


def test_tables_are_watched_as_files_and_by_hash(sources, tmp_path):
    folder = make_dataset("ptb-xl", PtbXlConfig(source=str(sources / "ptb-xl")), "results", "resources")
    assert folder.listing_inputs() == [str(sources / "ptb-xl" / name) for name in TABLES]
    assert list(folder.table_hashes()) == folder.listing_inputs()
    archive = shutil.make_archive(str(tmp_path / "copy"), "zip", sources / "ptb-xl")
    zipped = make_dataset("ptb-xl", PtbXlConfig(source=archive), "results", "resources")
    assert zipped.listing_inputs() == []
    assert list(zipped.table_hashes()) == TABLES


def test_a_table_that_is_replaced_by_an_older_one_is_noticed(sources, tmp_path):
    """As ``mv``, ``cp -p`` and ``rsync -t`` do; Snakemake itself compares only times."""
    copy, outside = shutil.copytree(sources / "ptb-xl", tmp_path / "ptb-xl"), tmp_path / "labels.csv"
    outside.write_text("path,label\nNormal/Normal 0.png,well\n")
    ptb_xl, images = PtbXlConfig(source=str(copy)), str(sources / "images")
    configs = {
        "ptb-xl": ptb_xl,
        "clinic": OwnConfig(kind="images", source=images, labels=str(outside)),
        "pages": OwnConfig(kind="images", source=images, labels="ptb-xl"),
    }

    def hashes() -> dict[str, dict[str, str]]:
        return {name: make_dataset(name, c, "results", "r", ptb_xl).table_hashes() for name, c in configs.items()}

    before, replaced = hashes(), (outside, copy / "ptbxl_database.csv")
    for path in replaced:
        os.utime(path, ns=(1, 1))
    assert hashes() == before  # the content is the same
    for path in replaced:
        path.write_text(path.read_text() + "\n")
        os.utime(path, ns=(1, 1))
    after = hashes()
    assert {path for name in configs for path in after[name] if after[name][path] != before[name][path]} == {
        *map(str, replaced)
    }
    assert all(after[name] != before[name] for name in configs)
    outside.unlink()
    assert hashes()["clinic"] == {}  # the listing reports it


@pytest.mark.parametrize(
    ("name", "config", "source"),
    [
        ("ptb-xl", PtbXlConfig(), "resources/ptb-xl"),
        ("cardiac-images", CardiacImagesConfig(), "resources/cardiac-images"),
        ("simulated", SimulatedConfig(), "results/simulated/data"),
    ],
)
def test_generated_files_are_inputs_and_have_no_hashes(name, config, source):
    dataset = make_dataset(name, config, "results", "resources")
    assert dataset.source == source and dataset.key == name.replace("-", "_")
    assert dataset.listing_inputs() == dataset.generated_inputs() == [source]
    assert dataset.table_hashes() == {}
    assert {dataset.listing_hash(), *map(dataset.raw_files_hash, dataset.shards())} == {GENERATED}


def test_user_datasets_bring_their_own_labels(sources):
    config = OwnConfig(kind="images", source=str(sources / "images"), classes=("MI", "Normal"), min_records=2)
    dataset = make_dataset("clinic", config, "results", "resources")
    assert (dataset.key, dataset.classes, dataset.duplicates_from_audit) == ("own.clinic", ("MI", "Normal"), True)
    assert dataset.labels == {"policy": "single", "min_records": 2}
    assert dataset.shards() == ["00"]  # of at most 1,000 images
