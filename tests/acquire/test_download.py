"""PTB-XL releases, archives that must not escape their folder, and checksums."""

import hashlib
import io
import re
import runpy
import zipfile
from types import SimpleNamespace

import pytest

from ecgpipe.acquire.download import (
    download,
    download_ptbxl,
    needed_at_rate,
    unpack_zip,
    verify_checksums,
    web_address,
)
from ecgpipe.artifacts import sources
from ecgpipe.artifacts.check import check_folder
from ecgpipe.artifacts.files import SUMS, read_sums
from ecgpipe.cli import main
from ecgpipe.errors import DataError
from tests.acquire.server import CONTENT, SUM
from tests.conftest import PROJECT, contents


def archive(tmp_path, entries):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_a_single_top_folder_is_left_out(tmp_path):
    unpack_zip(archive(tmp_path, [("ptb/a/x.txt", "x"), ("ptb/y.txt", "y")]), tmp_path / "out")
    assert (tmp_path / "out/a/x.txt").read_text() == "x"
    assert (tmp_path / "out/y.txt").read_text() == "y"


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_paths_that_escape_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="leaves the target"):
        unpack_zip(archive(tmp_path, [("fine.txt", "x"), (name, "evil")]), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match="is a link"):
        unpack_zip(archive(tmp_path, [(link, "/etc/passwd")]), tmp_path / "out")


def test_devices_and_encrypted_files_are_refused(tmp_path):
    device = zipfile.ZipInfo("device")
    device.external_attr = 0o020666 << 16
    with pytest.raises(DataError, match="not a plain file"):
        unpack_zip(archive(tmp_path, [(device, "")]), tmp_path / "out")
    path = archive(tmp_path, [("a", "x")])
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in the central directory
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        unpack_zip(path, tmp_path / "out")


def test_two_files_with_the_same_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="have the same name"):
        unpack_zip(archive(tmp_path, [("a/Record.dat", "x"), ("a/record.DAT", "y"), ("b", "")]), tmp_path / "out")


def test_bombs_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    path = archive(tmp_path, [(f"f{i}", bytes(100_000)) for i in range(20)])
    monkeypatch.setattr(sources, "LARGEST_UNPACKED", 1 << 20)
    with pytest.raises(DataError, match="would unpack to more"):
        unpack_zip(path, tmp_path / "out")
    monkeypatch.setattr(sources, "MOST_FILES", 10)
    with pytest.raises(DataError, match="20 files"):
        unpack_zip(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_wrong_declared_size_is_detected(tmp_path):
    path = archive(tmp_path, [("a", bytes(100_000))])
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the size after unpacking, in the central directory
    content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_or_truncated_archive_leaves_nothing(tmp_path):
    path = archive(tmp_path, [("a", bytes(range(256)) * 100), ("b", "x")])
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_zip(path, tmp_path / "out")
    whole[5000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_zip(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_damaged_compressed_data_is_an_error(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", "".join(f"line {i} {i * i}\n" for i in range(500)))
        data = file.getinfo("a").compress_size
    whole = path.read_bytes()
    for at in range(40, data, 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(DataError, match="fetch it again"):
            unpack_zip(path, tmp_path / "out")


def test_only_signals_at_the_requested_rate_are_unpacked(tmp_path):
    names = ["p/ptbxl_database.csv", "p/records100/00000/00001_lr.dat", "p/records500/00000/00001_hr.dat"]
    unpack_zip(archive(tmp_path, [(name, "x") for name in names]), tmp_path / "out", needed_at_rate(500))
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"ptbxl_database.csv", "records500/00000/00001_hr.dat"}


def test_a_file_that_is_not_an_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"<html>not found</html>").read())
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_checksums_detect_damaged_and_missing_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}" for name in ("a", "b", "c")]
    (tmp_path / "SHA256SUMS.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="c: listed in"):
        verify_checksums(tmp_path)
    (tmp_path / "c").write_text("c")
    assert verify_checksums(tmp_path) == 3
    (tmp_path / "b").write_text("damaged")
    with pytest.raises(DataError, match="b: its SHA-256 differs"):
        verify_checksums(tmp_path)
    (tmp_path / "SHA256SUMS.txt").write_text("")
    with pytest.raises(DataError, match="lists no file"):
        verify_checksums(tmp_path)


def test_s3_addresses_become_public_endpoints():
    assert web_address("s3://physionet-open/ptb-xl/1.0.3/") == "https://physionet-open.s3.amazonaws.com/ptb-xl/1.0.3/"
    assert web_address("https://example.org/a") == "https://example.org/a"


@pytest.fixture
def release(server):
    """A small release of PTB-XL: two tables and two records at both rates."""
    names = ["ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"]
    for rate, suffix in ((100, "lr"), (500, "hr")):
        names += [f"records{rate}/00000/0000{i}_{suffix}.{kind}" for i in (1, 2) for kind in ("hea", "dat")]
    contents = {name: hashlib.shake_256(name.encode()).digest(50_000) for name in names}
    server.files |= {f"/ptb-xl/{name}": content for name, content in contents.items()}
    lines = [f"{hashlib.sha256(content).hexdigest()} {name}" for name, content in contents.items()]
    server.files[f"/ptb-xl/{SUMS}"] = ("\n".join(lines) + "\n").encode()
    return {name: content for name, content in contents.items() if not name.startswith("records500")}


@pytest.mark.parametrize("connections", [1, 4])
def test_only_files_at_the_requested_rate_are_fetched(server, release, tmp_path, connections):
    server.faults["/ptb-xl/LICENSE.txt"] = ["corrupt", "cut"]
    server.faults["/ptb-xl/records100/00000/00001_lr.dat"] = ["503", "cut"]
    assert download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, connections, 0.01) == len(release)
    found = contents(tmp_path / "ptb-xl")
    del found[SUMS]
    assert found == release
    checked = check_folder(tmp_path / "ptb-xl")  # the signals at the other rate are not missing
    assert (checked.whole, checked.without, checked.damaged) == (len(release), 1, [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["ptb-xl"]


def test_received_files_are_kept_if_one_fails(server, release, tmp_path):
    broken = "/ptb-xl/records100/00000/00002_lr.dat"
    server.always[broken] = "corrupt"
    with pytest.raises(DataError, match=r"00002_lr\.dat.*SHA-256"):
        download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)
    assert not (tmp_path / "ptb-xl").exists()
    del server.always[broken]
    before = dict(server.served)
    download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)
    again = [path for path, served in server.served.items() if served > before.get(path, 0)]
    assert len(contents(tmp_path / "ptb-xl")) == len(release) + 1
    assert "/ptb-xl/ptbxl_database.csv" not in again
    assert broken in again


def test_files_of_another_release_are_removed(server, release, tmp_path):
    stale = tmp_path / ".ptb-xl.download/records100/00000/00099_lr.dat"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"left by an interrupted download of another release")
    download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)
    assert set(contents(tmp_path / "ptb-xl")) == {*release, SUMS}


def test_a_checksum_list_with_paths_outside_is_refused(server, release, tmp_path):
    server.files[f"/ptb-xl/{SUMS}"] += f"{SUM} ../evil\n".encode()
    with pytest.raises(DataError, match="leaves the folder"):
        download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)


def test_an_archive_is_downloaded(server, tmp_path):
    server.faults["/file"] = ["cut"]
    download(server.address + "/file", tmp_path / "a.zip", SUM)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def zipped(contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(f"ptb-xl-1.0.3/{name}", content)
    return buffer.getvalue()


def test_the_command_verifies_and_leaves_only_the_folder(server, release, tmp_path, capsys):
    names = [*release, SUMS]
    server.files["/z"] = zipped({name: server.files[f"/ptb-xl/{name}"] for name in names} | {"LICENSE.txt": b"other"})
    (tmp_path / "got.zip").write_text("the user's own")
    command = ["download", "ptb-xl", str(tmp_path / "got"), "--fetch", "archive", "--url", server.address + "/z"]
    assert main(command) == 1
    assert re.search(r"LICENSE\.txt: its SHA-256 differs", capsys.readouterr().err)
    assert not (tmp_path / "got").exists()
    server.files["/z"] = zipped({name: server.files[f"/ptb-xl/{name}"] for name in names})
    assert main(command) == 0
    found = contents(tmp_path / "got")
    del found[SUMS]
    assert found == release
    assert set(read_sums(tmp_path / "got" / SUMS)) == set(release)
    assert not check_folder(tmp_path / "got").damaged
    assert (tmp_path / "got.zip").read_text() == "the user's own"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("dataset", ["ptb-xl", "cardiac-images"])
def test_the_command_refuses_an_existing_folder(server, release, tmp_path, capsys, dataset):
    (tmp_path / "mine").write_text("precious")
    assert main(["download", dataset, str(tmp_path), "--url", server.address + "/ptb-xl/"]) == 1
    assert f"{tmp_path}: " in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "precious"
    assert not server.requests


def test_the_workflow_downloads_a_wrong_release_again(tmp_path):
    """A job for an archive whose files do not match the list in it."""
    listed = f"{'0' * 64}  ptbxl_database.csv\n"
    made = archive(tmp_path, [("ptb-xl/ptbxl_database.csv", "damaged"), (f"ptb-xl/{SUMS}", listed)])
    job = SimpleNamespace(
        input=[str(made)], output=[str(tmp_path / "ptb-xl")], log=[str(tmp_path / "log")],
        params=SimpleNamespace(sampling_rate=100),
    )  # fmt: skip
    with pytest.raises(SystemExit):
        runpy.run_path(str(PROJECT / "scripts/unpack.py"), init_globals={"snakemake": job})
    assert "SHA-256 differs" in (tmp_path / "log").read_text()
    assert not made.exists()
