from __future__ import annotations

import os
from pathlib import Path

import pytest

from priordiff.corpora import check_readable


def test_a_file_that_can_be_read_is_let_through(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    check_readable(tmp_path / "file", "image")
    check_readable(tmp_path / "link", "image")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")
    for path, said in [
        (tmp_path / "missing", "no image file at .*missing"),
        (tmp_path, "no image file at"),
        (tmp_path / "link", "link to gone, which is no file or missing"),
    ]:
        with pytest.raises(FileNotFoundError, match=said):
            check_readable(path, "image")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read anything
    with pytest.raises(PermissionError, match="file cannot be read"):
        check_readable(tmp_path / "file", "image")
