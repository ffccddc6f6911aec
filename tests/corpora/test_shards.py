from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from priordiff.corpora import Shards, ShardTable, index_shards
from tests.corpora.shard_folders import write_numbers


def odd(table: ShardTable) -> object:
    return table.lengths % 2 == 1


def test_samples_are_numbered_shard_by_shard(tmp_path: Path) -> None:
    shards = pickle.loads(pickle.dumps(Shards(write_numbers(tmp_path))))
    assert (len(shards), shards.sizes, shards.lengths) == (10, (3, 3, 3, 1), 45)
    for number in (9, 0, 5):
        assert shards.key(number) == f"number{number:02d}"
        assert shards.length(number) == number
        assert shards.read(number) == {"txt": str(number).encode(), "two.bin": bytes(number)}
        assert shards.read(number, ["txt"]) == {"txt": str(number).encode()}
    for number in (-1, 10):
        with pytest.raises(IndexError, match=f"no sample {number}: .* has 10"):
            shards.read(number)


def test_only_usable_samples_count(tmp_path: Path) -> None:
    shards = Shards(write_numbers(tmp_path), odd)
    assert shards.sizes == (1, 2, 1, 1)
    assert [shards.length(index) for index in range(5)] == [1, 3, 5, 7, 9]
    with pytest.raises(ValueError, match="none of the samples in the 4 shards"):
        Shards(tmp_path, lambda table: table.lengths > 99)


def test_damaged_shards_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_numbers(tmp_path)
    cut = folder / "shard-000001.tar"
    cut.write_bytes(cut.read_bytes()[:5000])
    (folder / "shard-000002.npz").write_bytes(b"nonsense")
    shards = Shards(folder)
    assert [shards.length(index) for index in range(len(shards))] == [0, 1, 2, 9]
    assert "left out 2 of 4 shards" in caplog.text
    first, second = shards.problems
    assert "shard-000001.tar has 5000 bytes, but 10240 by its table" in first
    assert "shard-000002.npz is no table of a shard, or is damaged" in second


def test_a_shard_that_is_cut_while_it_is_read_is_named(tmp_path: Path) -> None:
    shards = Shards(write_numbers(tmp_path))
    cut = tmp_path / "shard-000003.tar"
    cut.write_bytes(cut.read_bytes()[:600])
    with pytest.raises(OSError, match=r"shard-000003\.tar ends before byte 1537"):
        shards.read(9)
    cut.unlink()
    with pytest.raises(OSError, match=r"shard-000003\.tar cannot be read"):
        shards.read(9)


def test_shards_without_a_table_are_named_until_they_are_indexed(tmp_path: Path) -> None:
    folder = write_numbers(tmp_path)
    for table in folder.glob("*.npz"):
        table.unlink()
    with pytest.raises(FileNotFoundError, match=r"shard-000000\.tar has no table shard-000000\.npz"):
        Shards(folder)
    shutil.copy(folder / "shard-000000.tar", folder / "whole.tar")
    (folder / "cut.tar").write_bytes((folder / "whole.tar").read_bytes()[:3000])

    def measure(members: dict[str, bytes]) -> int:
        if members["txt"] == b"4":
            raise ValueError("four")
        return len(members["two.bin"])

    (problem,) = index_shards(folder, measure, {"kind": "lengths"})
    assert "cut.tar" in problem
    (folder / "cut.tar").unlink()
    shards = Shards(folder)
    assert [shards.length(index) for index in range(10)] == [0, 1, 2, 3, -1, 5, 6, 7, 8, 9]
    assert shards.table(0).about == {"kind": "lengths"}


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no shards in"):
        Shards(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        Shards(tmp_path / "missing")
