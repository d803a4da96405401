"""Raw files in folders and zip archives give the same results; hostile archives are rejected."""

import errno
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts import sources
from ecgpipe.artifacts.files import SUMS, read_sums, write_sums
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.signals import LEADS, read_record, read_signal
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.audit.sketch import sketch_records
from ecgpipe.config.data import PtbXlConfig
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError, RecordError, SourceError
from ecgpipe.render.shard import render_shard
from tests.conftest import zipped

TOP = "ptb-xl-1.0.3/"


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> tuple[Path, Path]:
    """A simulated dataset in PTB-XL's layout, as a folder and as an archive."""
    top = tmp_path_factory.mktemp("source")
    simulate_dataset(top / "raw", records=12, seed=2)
    return top / "raw", zipped(top / "raw", TOP)


def test_a_folder_and_its_archive_have_the_same_files(copies):
    folder, archive = map(open_source, copies)
    for below in ("", "records100", "records100/00000", "nowhere"):
        assert folder.names(below) == archive.names(below)
    assert len(folder.names("records100")) == 24
    for name in folder.names():
        assert folder.read(name) == archive.read(name)
    assert "ptbxl_database.csv" in archive
    with pytest.raises(FileNotFoundError):
        archive.read("nowhere")


def test_ptbxl_in_an_archive(copies):
    folder, archive = copies
    one, other = (list_ptbxl_records(source, 100, 5) for source in copies)
    assert one[0].equals(other[0])
    assert read_grouping(folder, "superclass") == read_grouping(archive, "superclass")
    of_folder, of_archive = (
        make_dataset("ptb-xl", PtbXlConfig(source=str(source), shard_size=5), "results", "resources")
        for source in (folder, archive)
    )
    assert of_folder.shards() == of_archive.shards()
    assert of_folder.listing_hash() == of_archive.listing_hash()
    assert len({of_archive.raw_files_hash(shard) for shard in of_archive.shards()}) == 3


def test_pages_and_audit_are_the_same_for_an_archive(copies, tmp_path):
    records, _ = list_ptbxl_records(copies[0], 100, 1000)
    made = []
    for number, (source, workers) in enumerate(zip(copies, (1, 2), strict=True)):
        files = tmp_path / f"{number}.parquet", tmp_path / f"{number}.problems.parquet"
        render_shard(records, source, 100, RenderConfig(), *files, title="t", workers=workers)
        made.append(list(read_pages(files[0])))
        assert PROBLEMS.read(files[1]).empty
    assert made[0] == made[1]
    sketches = [list(sketch_records(records, source)) for source in copies]
    assert sketches[0] == sketches[1]
    assert all(row["digest"] for row in sketches[0])


def test_errors_name_the_file_inside_the_archive(tmp_path):
    simulate_dataset(tmp_path / "raw", records=10, seed=2)
    data = tmp_path / "raw/records100/00000/00003_lr.dat"
    data.write_bytes(data.read_bytes()[:-2])
    archive = zipped(tmp_path / "raw", TOP)
    with pytest.raises(RecordError) as error:
        read_record(open_source(archive), "records100/00000/00003_lr", "00003")
    assert error.value.problem == "truncated"
    assert error.value.file == f"{archive}/records100/00000/00003_lr.dat"
    with pytest.raises(RecordError) as error:
        read_record(open_source(archive), "records100/00000/00099_lr", "00099")
    assert (error.value.problem, error.value.file) == (
        "missing-header", f"{archive}/records100/00000/00099_lr.hea"
    )  # fmt: skip


def hostile(archive: Path, *entries: tuple[str | zipfile.ZipInfo, str]) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return archive


@pytest.mark.parametrize("name", ["../x.hea", "/etc/x.hea", "a/../../x.hea", "C:/x.hea"])
def test_names_outside_the_archive_are_rejected(tmp_path, name):
    with pytest.raises(DataError, match="leaves the target folder"):
        open_source(hostile(tmp_path / "evil.zip", ("fine/x", ""), (name, "x")))


def test_a_name_in_an_archive_may_have_a_colon(tmp_path):
    name = "2024-01-01 12:30.png"
    assert open_source(hostile(tmp_path / "a.zip", (name, "x"), ("y/z", ""))).read(name) == b"x"


def test_links_bombs_many_files_and_damaged_archives_are_rejected(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("link.hea")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match="a link"):
        open_source(hostile(tmp_path / "link.zip", (link, "/etc/passwd")))
    bomb = hostile(tmp_path / "bomb.zip", ("a/x.png", "0" * 5000), ("a/y.png", "1"))
    monkeypatch.setattr(sources, "LARGEST_FILE", 1000)
    assert open_source(bomb).read("y.png") == b"1"
    with pytest.raises(DataError, match="5000 bytes"):
        open_source(bomb).read("x.png")
    monkeypatch.setattr(sources, "LARGEST_UNPACKED", 4000)
    with pytest.raises(DataError, match="more than"):
        open_source(hostile(tmp_path / "bomb2.zip", ("x", "0" * 5000)))
    monkeypatch.setattr(sources, "MOST_FILES", 1)
    with pytest.raises(DataError, match="contains 2 files"):
        open_source(hostile(tmp_path / "crowd.zip", ("x", ""), ("y", "")))
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="not a readable zip archive"):
        open_source(tmp_path / "none.zip")


def test_a_damaged_entry_is_named(tmp_path):
    archive = hostile(tmp_path / "a.zip", ("x.png", "0123456789" * 100), ("y", ""))
    content = bytearray(archive.read_bytes())
    content[40] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip/x\.png: damaged"):
        open_source(archive).read("x.png")


def test_a_damaged_record_of_an_archive_is_left_out(tmp_path):
    simulate_dataset(tmp_path / "raw", records=3, seed=2)
    archive = zipped(tmp_path / "raw", TOP)
    with zipfile.ZipFile(archive) as file:
        entry = next(entry for entry in file.infolist() if entry.filename.endswith("00002_lr.dat"))
    content = bytearray(archive.read_bytes())
    content[entry.header_offset + 200] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(RecordError, match=r"00002_lr\.dat.* damaged") as error:
        read_record(open_source(archive), "records100/00000/00002_lr", "00002")
    assert error.value.file == f"{archive}/records100/00000/00002_lr.dat"
    assert error.value.problem == "unreadable-signal"
    rows = list(sketch_records(list_ptbxl_records(archive, 100, shard_size=1000)[0], archive))
    assert [bool(row["digest"]) for row in rows] == [True, False, True]


def test_a_header_cannot_name_a_file_outside_its_folder(tmp_path):
    header = "x 1 250 10\n../secret.dat 16 200/mV 16 0 0 0 0 I\n"
    archive = hostile(tmp_path / "a.zip", ("data/x.hea", header), ("secret.dat", "0" * 20), ("data/y", ""))
    with pytest.raises(RecordError, match="not a plain file"):
        read_record(open_source(archive), "data/x", "x")
    (tmp_path / "secret.dat").write_bytes(b"0" * 20)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.hea").write_text(header)
    with pytest.raises(RecordError, match="not a plain file"):
        read_signal(tmp_path / "data/x", "x")


def test_links_to_folders_are_followed_once(tmp_path):
    (tmp_path / "real/sub").mkdir(parents=True)
    (tmp_path / "real/sub/x.png").write_bytes(b"x")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/linked").symlink_to(tmp_path / "real")
    (tmp_path / "real/sub/loop").symlink_to(tmp_path / "real")
    assert open_source(tmp_path / "top").names() == ["linked/sub/x.png"]


def test_a_link_does_not_hide_the_folder_that_it_leads_to(tmp_path):
    for name, other in (("p", "q"), ("q", "p")):  # whichever is visited first
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"x")
        (tmp_path / name / "link").symlink_to(tmp_path / other)
    assert open_source(tmp_path).names() == ["p/x.png", "q/x.png"]
    assert open_source(tmp_path).names("p") == ["p/link/x.png", "p/x.png"]


def test_a_folder_on_a_damaged_disk_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "ward").mkdir()
    scandir = os.scandir

    def fail(folder):
        if Path(folder).name == "ward":
            raise OSError(errno.EIO, "Input/output error", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(DataError, match=r"ward: cannot be read \(Input/output error\); check its disk"):
        open_source(tmp_path).names()


def test_a_damaged_list_of_checksums_is_read_once(tmp_path, monkeypatch):
    (tmp_path / SUMS).write_text("nonsense")
    names, calls = [f"{number}.png" for number in range(3)], []
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(sources, "read_sums", lambda path: calls.append(path) or read_sums(path))
    for name in names:
        with pytest.raises(DataError, match=rf"{SUMS}, line 1: not a list of checksums"):
            open_source(tmp_path).read(name)
    assert len(calls) == 1


def test_a_folder_without_read_permission_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "lost+found").mkdir()  # of the file system
    (tmp_path / "1.hea").touch()
    scandir = os.scandir

    def refuse(folder):
        if Path(folder).name in ("ward", "lost+found"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert open_source(tmp_path).names() == ["1.hea"]
    (tmp_path / "ward").mkdir()
    with pytest.raises(DataError, match=r"ward: cannot be read \(Permission denied\); check its permissions"):
        open_source(tmp_path).names()
    assert open_source(tmp_path).names("nowhere") == []


def test_limb_leads_are_computed_on_request(tmp_path):
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 0.3, (2500, 8))
    names = ["I", "II", *LEADS[6:]]
    options = {"fmt": ["16"] * 8, "adc_gain": [1000.0] * 8, "baseline": [0] * 8, "write_dir": str(tmp_path)}
    wfdb.wrsamp("eight", 250, ["mV"] * 8, names, p_signal=signal, **options)
    with pytest.raises(RecordError, match=r"III, AVR, AVL, AVF are missing.*derive_leads computes them"):
        read_signal(tmp_path / "eight", "eight")
    found, rate = read_signal(tmp_path / "eight", "eight", derive_leads=True)
    assert rate == 250
    rows = dict(zip(LEADS, found, strict=True))
    np.testing.assert_allclose(rows["I"], np.round(signal[:, 0], 3), atol=1e-9)
    np.testing.assert_allclose(rows["III"], rows["II"] - rows["I"])
    np.testing.assert_allclose(rows["AVR"] + rows["AVL"] + rows["AVF"], 0, atol=1e-12)
    np.testing.assert_allclose(rows["AVL"], (rows["I"] - rows["III"]) / 2, atol=1e-12)
    np.testing.assert_allclose(rows["AVF"], (rows["II"] + rows["III"]) / 2, atol=1e-12)
    six = names[:7]
    wfdb.wrsamp("seven", 250, ["mV"] * 7, six, p_signal=signal[:, :7], **{**options, "fmt": ["16"] * 7,
                "adc_gain": [1000.0] * 7, "baseline": [0] * 7})  # fmt: skip
    with pytest.raises(RecordError, match="leads V6 are missing"):
        read_signal(tmp_path / "seven", "seven", derive_leads=True)


def damaged_copy(copies, folder: Path, how: str, made: bool) -> tuple[sources.Source, Path]:
    """A copy with one signal changed, cut or removed, its size and time kept where possible; perhaps made by a rule."""
    shutil.copytree(copies[0], folder)
    if made:
        (folder / sources.MADE_BY_A_RULE).touch()
    victim = folder / "records100/00000/00003_lr.dat"
    before, content = victim.stat(), bytearray(victim.read_bytes())
    content[:48] = content[24:48] + content[:24]  # two samples of each lead: WFDB's checksum is a sum
    if how == "removed":
        victim.unlink()
    else:
        victim.write_bytes(content if how == "changed" else content[:-50])
        os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    return open_source(folder), victim


@pytest.mark.parametrize("how", ["changed", "cut", "removed"])
def test_damage_after_a_download_ends_the_job_with_the_remedy(copies, tmp_path, how):
    source, victim = damaged_copy(copies, tmp_path / "copy", how, made=True)
    expected = rf"{victim}: .*; delete the folder {tmp_path}/copy and run again"
    with pytest.raises(SourceError, match=expected):
        read_record(source, "records100/00000/00003_lr", "00003")
    read_record(source, "records100/00000/00004_lr", "00004")
    if how == "removed":
        with pytest.raises(SourceError, match=expected):
            list_ptbxl_records(tmp_path / "copy", 100, 5)
    records = list_ptbxl_records(copies[0], 100, 5)[0]
    with pytest.raises(SourceError, match=expected):
        list(sketch_records(records, tmp_path / "copy"))
    with pytest.raises(SourceError, match=expected):
        files = tmp_path / "pages.parquet", tmp_path / "problems.parquet"
        render_shard(records, tmp_path / "copy", 100, RenderConfig(), *files, title="pages")


@pytest.mark.parametrize(
    ("how", "problem", "words"),
    [
        ("changed", "checksum", "differs from the folder's SHA256SUMS.txt; fetch the file again"),
        ("cut", "truncated", "expected"),
        ("removed", "missing-signal", "no such file"),
    ],
)
def test_damage_in_the_copy_of_a_user_is_a_problem_of_its_record(copies, tmp_path, how, problem, words):
    source, victim = damaged_copy(copies, tmp_path / "copy", how, made=False)
    with pytest.raises(RecordError, match=words) as error:
        read_record(source, "records100/00000/00003_lr", "00003")
    assert (error.value.problem, error.value.file) == (problem, str(victim))
    lines = (tmp_path / "copy/SHA256SUMS.txt").read_text().splitlines()
    (tmp_path / "copy/SHA256SUMS.txt").write_text("\n".join(line for line in lines if "00003" not in line))
    if how == "changed":  # on purpose
        read_record(open_source(tmp_path / "copy"), "records100/00000/00003_lr", "00003")


def test_a_changed_image_is_noticed(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    write_sums(tmp_path, ["a.png", "b.png"])
    source = open_source(tmp_path)
    assert source.read("a.png") == b"a.png"
    (tmp_path / "a.png").write_bytes(b"other")
    with pytest.raises(DataError, match=r"a\.png: differs from"):
        source.read("a.png")
    (tmp_path / sources.MADE_BY_A_RULE).touch()
    (tmp_path / "b.png").unlink()
    for name in ("a.png", "b.png"):
        with pytest.raises(SourceError, match=f"{name}: .* delete the folder"):
            source.read(name)


def test_a_changed_image_is_a_problem_of_another_kind_than_a_missing_one(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    write_sums(tmp_path, ["a.png", "b.png"])
    (tmp_path / "a.png").write_bytes(b"other")
    (tmp_path / "b.png").unlink()
    records = pd.DataFrame({"record_id": ["a", "b"], "path": ["a.png", "b.png"]})
    files = tmp_path / "pages.parquet", tmp_path / "problems.parquet"
    assert render_shard(records, tmp_path, None, None, *files, title="pages") == 0
    problems = PROBLEMS.read(files[1])
    assert problems["problem"].tolist() == ["checksum", "missing-file"]
    assert problems["file"].tolist() == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert problems["detail"][0].startswith("differs from the folder's SHA256SUMS.txt; fetch the file again")
    anomalies = [json.loads(row["anomalies"]) for row in sketch_records(records, tmp_path)]
    assert [kind for ((kind, _),) in anomalies] == ["checksum", "missing-file"]


def test_an_entry_without_a_name_is_refused():
    directory = SimpleNamespace(infolist=lambda: [zipfile.ZipInfo("")])
    with pytest.raises(DataError, match="its entry '' leaves the target folder"):
        sources.archive_files("x.zip", directory)


def test_a_deleted_line_of_the_list_counts_as_a_change_and_a_link_to_nothing_is_no_crash(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere")
    write_sums(tmp_path, ["a.png"])
    source = open_source(tmp_path)
    listed = source.change_key("a.png")
    (tmp_path / "SHA256SUMS.txt").unlink()
    assert source.change_key("a.png") != listed
    missing = source.change_key("b.png")
    (tmp_path / "nowhere").write_bytes(b"b")
    assert source.change_key("b.png") != missing
