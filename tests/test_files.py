from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors import SafetensorError

from priordiff.files import atomic_path, make_writable, remove_partials, remove_whole, write_text


def leave_half_written(path: Path, make_folder: bool) -> Path:
    """What a process that is killed while it writes `path` leaves behind."""
    with suppress(KeyboardInterrupt), atomic_path(path) as temporary:
        if make_folder:
            temporary.mkdir()
            (temporary / "half").write_text("")
        else:
            temporary.write_text("")
        left = temporary.rename(temporary.with_name(f".{path.name}.left.partial"))
        raise KeyboardInterrupt
    return left


def test_a_written_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with atomic_path(tmp_path / "model") as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
        assert [path.name for path in (tmp_path / "model").iterdir()] == [text]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    leave_half_written(tmp_path / "folder", make_folder=True)
    leave_half_written(tmp_path / "file", make_folder=False)
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "file").write_text("")
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "file"}


def test_in_a_shared_folder_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    old = leave_half_written(tmp_path / "a.wav", make_folder=False)
    young = leave_half_written(tmp_path / "b.wav", make_folder=False)
    os.utime(old, (0, 0))
    remove_partials(tmp_path, shared=True)
    assert list(tmp_path.iterdir()) == [young]


def test_a_file_that_can_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match=r"could not write .*file .*: check free space and permissions"):
        write_text(tmp_path / "file", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_names_may_be_as_long_as_the_file_system_has_them_and_longer_ones_are_refused_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / f"{'ü' * 125}.txt"
    write_text(path, "text")
    assert path.read_text() == "text"
    with (
        pytest.raises(OSError, match=r"could not write .*ü.* \(File name too long\)"),
        atomic_path(tmp_path / f"{'ü' * 128}.txt"),
    ):
        pytest.fail("there is something to lose")


@pytest.mark.parametrize("make_folder", [False, True])
def test_an_interrupted_block_leaves_nothing(tmp_path: Path, make_folder: bool) -> None:
    def write_half() -> None:
        with atomic_path(tmp_path / "new") as temporary:
            if make_folder:
                temporary.mkdir()
            (temporary / "half" if make_folder else temporary).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_under_safetensors_is_named_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"could not export to .*model \(I/O error: No space left\)"),
        atomic_path(tmp_path / "model", "export to"),
    ):
        raise SafetensorError("I/O error:\nNo space left")


def test_a_removed_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("")
    remove_whole(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_text_keeps_its_line_ends_and_takes_names_that_are_no_unicode(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "file", "one\ntwo\udcff\n")
    assert (tmp_path / "deep" / "file").read_bytes() == b"one\ntwo\\udcff\n"


def test_a_folder_for_output_is_made_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        make_writable(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"could not make the folder .*out \(Not a directory\): choose"):
        make_writable(tmp_path / "file" / "out")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"the folder .*new can't be written: choose another --output"):
        make_writable(tmp_path / "new")
