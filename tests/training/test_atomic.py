import pytest

from priordiff.training.atomic import partial_path, publish, remove_partials, write_text


def test_a_published_folder_replaces_the_one_before(tmp_path):
    for text in ("first", "second"):
        partial = partial_path(tmp_path / "model")
        partial.mkdir()
        (partial / text).write_text(text)
        publish(partial, tmp_path / "model")
        assert [path.name for path in (tmp_path / "model").iterdir()] == [text]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    partial_path(tmp_path / "folder").mkdir()
    (partial_path(tmp_path / "folder") / "half").write_text("")
    partial_path(tmp_path / "file").write_text("")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "file").write_text("")
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "file"}


def test_a_file_that_can_not_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match=r"could not write .*file .*: check free space and permissions"):
        write_text(tmp_path / "file", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
