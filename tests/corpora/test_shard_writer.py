from __future__ import annotations

from pathlib import Path

import pytest

from priordiff.corpora import Shards, ShardWriter
from tests.corpora.shard_folders import write_numbers


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_twice(folder: Path) -> None:
    """Writes five samples, then one of them again, which is refused."""
    with ShardWriter(folder, {"kind": "numbers"}, max_samples=3) as writer:
        for number in (0, 1, 2, 3, 4, 4):
            key = f"number{number:02d}"
            writer.write(key, {"txt": str(number).encode(), "two.bin": bytes(number)}, number)


def test_webdataset_reads_what_is_written(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = write_numbers(tmp_path)
    paths = [str(path) for path in sorted(folder.glob("*.tar"))]
    assert len(paths) == 4
    read = [*webdataset.WebDataset(paths, shardshuffle=False)]
    assert [sample["__key__"] for sample in read] == [f"number{number:02d}" for number in range(10)]
    assert [(sample["txt"], sample["two.bin"]) for sample in read] == [
        (str(number).encode(), bytes(number)) for number in range(10)
    ]


def test_a_shard_is_full_by_bytes_or_by_samples(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, max_bytes=10_000, max_samples=4) as writer:
        for number, size in enumerate([3000, 3000, 3000, 20_000, 1, 1, 1, 1, 1]):
            writer.write(str(number), {"bin": bytes(size)})
    assert Shards(tmp_path).sizes == (2, 1, 1, 4, 1)
    assert (tmp_path / "shard-000000.tar").stat().st_size <= 10_240  # tar rounds up to its records


def test_what_was_interrupted_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole = content(write_numbers(tmp_path / "whole"))
    with pytest.raises(ValueError, match="already"):
        write_twice(tmp_path / "cut")
    assert sorted(content(tmp_path / "cut")) == ["shard-000000.npz", "shard-000000.tar"]
    assert content(write_numbers(tmp_path / "cut")) == whole
    with pytest.raises(ValueError, match="choose another folder"), ShardWriter(tmp_path / "cut", {}):
        pass


@pytest.mark.parametrize(
    ("key", "members"),
    [
        ("", {"txt": b""}),
        ("a/", {"txt": b""}),
        ("/a", {"txt": b""}),
        ("a\n", {"txt": b""}),
        ("a.b", {"txt": b""}),
        ("./a", {"txt": b""}),
        ("a", {}),
        ("a", {"_txt": b""}),
        ("a", {"b/txt": b""}),
        ("number01", {"txt": b""}),
    ],
)
def test_a_name_that_a_reader_would_not_find_is_refused(
    tmp_path: Path, key: str, members: dict[str, bytes]
) -> None:
    write_numbers(tmp_path, 2)
    with ShardWriter(tmp_path, {"kind": "numbers"}) as writer, pytest.raises(ValueError, match=r"key|sample"):
        writer.write(key, members)
    assert len(Shards(tmp_path)) == 2
