from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from priordiff.corpora import ShardTable
from tests.corpora.shard_folders import write_numbers


@pytest.fixture
def shard(tmp_path: Path) -> bytes:
    return (write_numbers(tmp_path, 4, 4) / "shard-000000.tar").read_bytes()


def scan(data: bytes) -> ShardTable:
    return ShardTable.scan(io.BytesIO(data), "x.tar", {"number02": 7}, {"sample_rate": 1})


def test_a_table_says_where_the_members_lie_and_survives_its_file(shard: bytes) -> None:
    table = scan(shard)
    again = ShardTable.from_bytes(table.to_bytes(), "x.npz")
    assert again.keys == ("number00", "number01", "number02", "number03")
    assert (again.extensions, again.num_bytes, again.about) == (
        ("two.bin", "txt"),
        len(shard),
        {"sample_rate": 1},
    )
    assert again.lengths.tolist() == [0, 0, 7, 0]
    texts = again.extensions.index("txt")
    starts, sizes = again.offsets[:, texts], again.sizes[:, texts]
    assert [shard[a : a + n] for a, n in zip(starts, sizes, strict=True)] == [b"0", b"1", b"2", b"3"]


def test_a_shard_that_ends_anywhere_before_its_end_is_truncated(shard: bytes) -> None:
    content = len(shard.rstrip(b"\0"))
    for length in [*range(0, content + 512, 256), content]:
        with pytest.raises(ValueError, match=r"x\.tar"):
            scan(shard[:length])


def test_what_is_no_shard_is_named(shard: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    for data, problem in (
        (file.getvalue(), "without compression"),
        (b"text" * 300, "no whole tar file without"),
    ):
        with pytest.raises(ValueError, match=rf"x\.tar is .*{problem}"):
            scan(data)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/b.c/d.txt"))
        archive.addfile(tarfile.TarInfo("a/b.c/.hidden"))
    assert scan(file.getvalue()).keys == ("a/b.c/d",)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
        archive.addfile(tarfile.TarInfo("a.txt"))
    with pytest.raises(ValueError, match=r"x\.tar holds a\.txt twice"):
        scan(file.getvalue())
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w"):
        pass
    with pytest.raises(ValueError, match=r"x\.tar holds no samples"):
        scan(file.getvalue())


def test_a_damaged_table_is_named(shard: bytes) -> None:
    whole = scan(shard).to_bytes()
    for data in (b"", b"nonsense", whole[: len(whole) // 2], whole[:60] + bytes(40) + whole[100:]):
        with pytest.raises(ValueError, match=r"x\.npz is no table of a shard, or is damaged"):
            ShardTable.from_bytes(data, "x.npz")
    other = io.BytesIO()
    np.savez(other, words=np.frombuffer(b"[99, [], [], 0, {}]", np.uint8), offsets=0, sizes=0, lengths=0)
    with pytest.raises(ValueError, match="version 99"):
        ShardTable.from_bytes(other.getvalue(), "x.npz")
