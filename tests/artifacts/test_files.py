"""Atomic writing, and JSON."""

import os

import pytest

from ecgpipe.artifacts.files import atomic_folder, atomic_path, write_json
from ecgpipe.errors import one_line


def test_a_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_target_does_not_exist_until_it_is_complete(tmp_path):
    target = tmp_path / "new" / "table.csv"
    with atomic_path(target) as partial:
        partial.write_text("content")
        assert not target.exists()
        assert partial.suffix == ".csv"
    assert target.read_text() == "content"


def test_atomic_folder(tmp_path):
    target = tmp_path / "data"
    with pytest.raises(RuntimeError), atomic_folder(target) as partial:
        (partial / "a").write_text("a")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with atomic_folder(target) as partial:
        (partial / "a").write_text("a")
    assert (target / "a").read_text() == "a"


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
