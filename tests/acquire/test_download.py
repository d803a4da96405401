"""Archives that must not escape, and checksums."""

import hashlib
import io
import zipfile

import pytest

from ecgpipe.acquire.download import needed_at_rate, unpack_zip, verify_checksums
from ecgpipe.artifacts import sources as archive_module
from ecgpipe.errors import DataError


def archive(tmp_path, entries):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_one_top_folder_is_left_out(tmp_path):
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


def test_two_files_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="have the same name"):
        unpack_zip(archive(tmp_path, [("a/Record.dat", "x"), ("a/record.DAT", "y"), ("b", "")]), tmp_path / "out")


def test_bombs_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    path = archive(tmp_path, [(f"f{i}", bytes(100_000)) for i in range(20)])
    monkeypatch.setattr(archive_module, "LARGEST_UNPACKED", 1 << 20)
    with pytest.raises(DataError, match="would unpack to more"):
        unpack_zip(path, tmp_path / "out")
    monkeypatch.setattr(archive_module, "MOST_FILES", 10)
    with pytest.raises(DataError, match="20 files"):
        unpack_zip(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_size_that_lies_is_found(tmp_path):
    path = archive(tmp_path, [("a", bytes(100_000))])
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the size after unpacking, in the central directory
    content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_or_cut_archive_leaves_nothing(tmp_path):
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


def test_damaged_compressed_data_is_an_error_wherever_it_is(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", "".join(f"line {i} {i * i}\n" for i in range(500)))
        data = file.getinfo("a").compress_size
    whole = path.read_bytes()
    for at in range(40, data, 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(DataError, match="fetch it again"):
            unpack_zip(path, tmp_path / "out")


def test_only_the_signals_that_are_asked_for(tmp_path):
    names = ["p/ptbxl_database.csv", "p/records100/00000/00001_lr.dat", "p/records500/00000/00001_hr.dat"]
    unpack_zip(archive(tmp_path, [(name, "x") for name in names]), tmp_path / "out", needed_at_rate(500))
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"ptbxl_database.csv", "records500/00000/00001_hr.dat"}


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"<html>not found</html>").read())
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_sums_find_damaged_and_missing_files(tmp_path):
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
