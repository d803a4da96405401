"""Atomic writing, and JSON."""

import os

import pytest

from ecgpipe.artifacts.files import atomic_folder, atomic_path, checksum_file, write_checksums, write_json
from ecgpipe.errors import one_line
from tests.conftest import contents


def test_a_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    write_checksums([target])
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and checksum_file(target).is_file()
    assert sorted(tmp_path.iterdir()) == [checksum_file(target).parent, target]


def test_the_target_does_not_exist_until_it_is_complete(tmp_path):
    target = tmp_path / "new" / "table.csv"
    with atomic_path(target) as partial:
        partial.write_text("content")
        assert not target.exists()
        assert partial.suffix == ".csv"
    assert target.read_text() == "content"


def test_files_of_killed_processes_are_removed_and_others_kept(tmp_path):
    other = tmp_path / ".table[1].csv.x.partial.npz"
    for left in (other, tmp_path / ".table[1].csv.x.partial.csv", tmp_path / ".data.x.partial"):
        left.mkdir() if left.name.startswith(".data") else left.write_text("half")
    with atomic_path(tmp_path / "table[1].csv"), atomic_folder(tmp_path / "data"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "data", "table[1].csv"]


def test_an_error_of_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*table\.csv'"), atomic_path(tmp_path / "table.csv"):
        raise OSError(28, "No space left on device")


def test_atomic_folder(tmp_path):
    target = tmp_path / "data"
    with atomic_folder(target) as partial:
        (partial / "old").write_text("a")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as partial:
        (partial / "new").write_text("a")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"data/old": b"a"}
    with atomic_folder(target) as partial:
        (partial / "new").write_text("b")
    assert contents(tmp_path) == {"data/new": b"b"}


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_files_and_folders_have_the_permissions_that_the_user_chose(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_folder(tmp_path / "data"), atomic_path(tmp_path / "table.csv") as partial:
            partial.touch()
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o777 & ~umask
    assert (tmp_path / "table.csv").stat().st_mode & 0o777 == 0o666 & ~umask


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_message_about_damaged_bytes_is_one_printable_line():
    assert one_line(ValueError("don't know what type: \x0f\n")) == "don't know what type:"
    assert one_line(OSError(28, "No space\tleft")) == "[Errno 28] No space left"
