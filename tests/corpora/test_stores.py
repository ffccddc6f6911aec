from __future__ import annotations

import pickle
from pathlib import Path

import fsspec
import pytest

from priordiff.corpora import Shards, ShardStore
from tests.corpora.shard_folders import write_numbers


def test_a_piece_of_a_file_is_read_and_a_short_one_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "letters").write_bytes(b"abcdef")
    (tmp_path / "folder").mkdir()
    store = pickle.loads(pickle.dumps(ShardStore(tmp_path)))
    assert store.files() == {"letters": 6}
    assert (store.read("letters", 1, 2), store.read("letters", 4), store.read("letters")) == (
        b"bc",
        b"ef",
        b"abcdef",
    )
    with pytest.raises(OSError, match=r"letters ends before byte 8, .* truncated"):
        store.read("letters", 4, 4)
    with pytest.raises(OSError, match="missing cannot be read"):
        store.read("missing")
    with pytest.raises(FileNotFoundError, match=r"no folder .*elsewhere"):
        ShardStore(tmp_path / "elsewhere").files()


def test_a_remote_store_gives_what_a_folder_gives(tmp_path: Path) -> None:
    local = write_numbers(tmp_path)
    memory = fsspec.filesystem("memory")
    for path in local.iterdir():
        memory.pipe_file(f"/numbers/{path.name}", path.read_bytes())
    ours, theirs = Shards(local), Shards("memory://numbers")
    assert theirs.sizes == ours.sizes
    assert [theirs.read(index) for index in range(10)] == [ours.read(index) for index in range(10)]
    with pytest.raises(FileNotFoundError, match="no folder memory://nothing"):
        Shards("memory://nothing")
