from __future__ import annotations

import os
from pathlib import Path

import pytest

from priordiff.corpora import list_files


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def listed(directory: Path) -> list[str]:
    files, problems = list_files(directory, [".wav"])
    assert not problems
    return [path.relative_to(directory).as_posix() for path in files]


def test_folders_that_are_links_are_entered(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "deep" / "a.wav")
    touch(tmp_path / "data" / "own.wav")
    (tmp_path / "data" / "speaker").symlink_to(tmp_path / "elsewhere")
    assert listed(tmp_path / "data") == ["own.wav", "speaker/deep/a.wav"]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert listed(tmp_path / "link") == ["own.wav", "speaker/deep/a.wav"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "x" / "a.wav")
    (tmp_path / "data" / "x" / "up").symlink_to(tmp_path / "data")
    touch(tmp_path / "other" / "b.wav")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "data" / "x")
    (tmp_path / "data" / "forth").symlink_to(tmp_path / "other")
    (tmp_path / "data" / "self").symlink_to(".")
    assert listed(tmp_path / "data") == ["forth/b.wav", "x/a.wav"]


def test_a_link_does_not_rename_what_it_links_to(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "a.wav")
    before = listed(tmp_path)
    (tmp_path / "alias").symlink_to("real")
    touch(tmp_path / "other" / "b.wav")
    (tmp_path / "other" / "alias").symlink_to("../real")
    assert listed(tmp_path) == ["other/b.wav", *before]


def test_a_folder_may_be_named_like_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "take.wav" / "a.wav")
    (tmp_path / "empty.wav").mkdir()
    assert listed(tmp_path) == ["take.wav/a.wav"]


def test_hidden_files_and_folders_are_passed_over_at_any_depth(tmp_path: Path) -> None:
    for name in ("seen.wav", "._seen.wav", ".Trash/old.wav", "a/.b/c.wav", "a/.d.wav"):
        touch(tmp_path / name)
    (tmp_path / ".hidden").symlink_to("a")
    touch(tmp_path / "a" / "e.wav")
    assert listed(tmp_path) == ["a/e.wav", "seen.wav"]
    assert listed(tmp_path / ".Trash") == ["old.wav"]


def test_a_dangling_link_is_listed_if_it_is_named_like_a_file_and_reported_if_like_a_folder(
    tmp_path: Path,
) -> None:
    for name in ("a.wav", "speaker", "notes.txt", ".hidden"):
        (tmp_path / name).symlink_to("gone")
    files, problems = list_files(tmp_path, [".wav"])
    assert files == [tmp_path / "a.wav"]
    assert problems == [f"{tmp_path / 'speaker'} is a link to gone, which is missing"]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.wav")
    touch(tmp_path / "locked" / "b.wav")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    files, problems = list_files(tmp_path, [".wav"])
    assert files == [tmp_path / "a.wav"]
    assert problems == [f"the folder {tmp_path / 'locked'} cannot be listed: Permission denied"]


def test_the_files_are_those_of_the_given_kinds(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "c.wav", "png"):
        touch(tmp_path / name)
    files, _ = list_files(tmp_path, [".jpg", ".png"])
    assert [path.name for path in files] == ["a.png", "b.JPG"]
