"""A corpus of shards, of which nothing is read but what is asked for."""

from __future__ import annotations

import functools
import io
import logging
import os
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from priordiff.corpora.shard_table import ShardTable, table_name
from priordiff.corpora.stores import ShardStore
from priordiff.files import atomic_path

__all__ = ["Shards", "index_shards", "is_shard_folder"]

_logger = logging.getLogger(__name__)

# Tables in memory: those of the shards that are read from at a time, and of the next ones.
_OPEN_TABLES = 64


class Shards:
    """The samples in a folder of shards, numbered shard by shard.

    In memory are how many samples each shard has and some of the tables; a sample is one read of a piece of a
    file for each of its members. It can be pickled: a worker process opens the folder again.

    Shards that are truncated or have a damaged table are left out; a warning names the first and counts them.

    Args:
        folder: its path, or an address such as `s3://bucket/folder`, that holds tar files in WebDataset's
            format, each with its table, as [`ShardWriter`][priordiff.corpora.ShardWriter] and
            [`index_shards`][priordiff.corpora.index_shards] make them.
        usable: says of a table which of its samples belong to the corpus, bool (samples,); by default all.

    Attributes:
        names: of the shards.
        sizes: samples of each that are usable.
        lengths: sum of the lengths of all usable samples.
        problems: a line with the reason for each shard that was left out.

    Raises:
        FileNotFoundError: there is no such folder, no tar file in it, or one that has no table.
        ValueError: no sample is usable.

    Example:
        >>> import tempfile
        >>> from priordiff.corpora import ShardWriter
        >>> folder = Path(tempfile.mkdtemp())
        >>> with ShardWriter(folder, max_samples=3) as writer:
        ...     for number in range(5):
        ...         writer.write(f"sample{number}", {"txt": str(number**2).encode()}, length=number)
        >>> shards = Shards(folder, usable=lambda table: table.lengths >= 2)
        >>> shards.sizes, shards.key(1), shards.length(1), shards.read(1)
        ((1, 2), 'sample3', 3, {'txt': b'9'})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        usable: Callable[[ShardTable], np.ndarray] | None = None,
    ) -> None:
        self.store, self._usable = ShardStore(folder), usable
        files = self.store.files()
        shards = [name for name in files if name.endswith(".tar")]
        if not shards:
            raise FileNotFoundError(f"no shards in {folder}: expected files that end in .tar")
        for name in shards:
            if table_name(name) not in files:
                raise FileNotFoundError(
                    f"{folder}/{name} has no table {table_name(name)} beside it: finish the command that was "
                    "making it, or make the tables of shards from elsewhere with index_shards"
                )
        names, sizes, self.problems, self.lengths = [], [], [], 0
        for name in shards:
            try:
                table, rows = self._load(name)
            except (OSError, ValueError) as error:
                self.problems.append(" ".join(str(error).split()))
                continue
            if table.num_bytes != files[name]:
                self.problems.append(
                    f"{folder}/{name} has {files[name]} bytes, but {table.num_bytes} by its table: "
                    "copy it anew"
                )
            elif len(rows):
                names.append(name)
                sizes.append(len(rows))
                self.lengths += int(table.lengths[rows].sum())
        self.names, self.sizes = tuple(names), tuple(sizes)
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        first = f"; the first: {self.problems[0]}" if self.problems else ""
        if not names:
            raise ValueError(f"none of the samples in the {len(shards)} shards of {folder} is usable{first}")
        if self.problems:
            counts = len(self.problems), len(shards)
            _logger.warning("left out %d of %d shards in %s%s", *counts, folder, first)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_table"}

    def table(self, shard: int) -> ShardTable:
        """The table of a shard by its number."""
        return self._table(self.names[shard])[0]

    def usable(self, table: ShardTable) -> np.ndarray:
        """Which samples of a table belong to the corpus, bool (samples,)."""
        return np.ones(len(table), bool) if self._usable is None else self._usable(table)

    def key(self, index: int) -> str:
        """The key of a sample."""
        table, row, _ = self._find(index)
        return table.keys[row]

    def length(self, index: int) -> int:
        """The length of a sample in the corpus's own unit."""
        table, row, _ = self._find(index)
        return int(table.lengths[row])

    def where(self, index: int) -> str:
        """File and key of a sample, for messages."""
        table, row, name = self._find(index)
        return f"{table.keys[row]} in {self.store.folder}/{name}"

    def read(self, index: int, extensions: Container[str] | None = None) -> dict[str, bytes]:
        """The members of a sample, by extension.

        Args:
            index: of the sample.
            extensions: of the members that are wanted; None: all.

        Raises:
            IndexError: there is no such sample.
            OSError: it can't be read; the message names the file.
        """
        table, row, name = self._find(index)
        places = zip(table.extensions, table.offsets[row].tolist(), table.sizes[row].tolist(), strict=True)
        return {
            extension: self.store.read(name, start, size)
            for extension, start, size in places
            if start >= 0 and (extensions is None or extension in extensions)
        }

    def _find(self, index: int) -> tuple[ShardTable, int, str]:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index}: {self.store.folder} has {len(self)}")
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        name = self.names[shard]
        table, rows = self._table(name)
        return table, int(rows[index - self._starts[shard]]), name

    @functools.cached_property
    def _table(self) -> Callable[[str], tuple[ShardTable, np.ndarray]]:
        return functools.lru_cache(_OPEN_TABLES)(self._load)

    def _load(self, shard: str) -> tuple[ShardTable, np.ndarray]:
        name = table_name(shard)
        table = ShardTable.from_bytes(self.store.read(name), f"{self.store.folder}/{name}")
        return table, np.flatnonzero(self.usable(table))


def is_shard_folder(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds tar files, or is an address of a store.

    Example:
        >>> is_shard_folder("s3://bucket/speech"), is_shard_folder("no-such-folder")
        (True, False)
    """
    return "://" in os.fspath(folder) or any(Path(folder).glob("*.tar"))


def index_shards(
    folder: str | os.PathLike[str],
    measure: Callable[[Mapping[str, bytes]], int] | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[str]:
    """Makes the tables of shards that come from elsewhere; those that have one are passed over.

    Args:
        folder: that holds tar files in WebDataset's format, on a disk.
        measure: the length of a sample from its members by extension; what it refuses with a `ValueError`
            gets the length −1. By default all lengths are 0.
        about: what all samples have in common.

    Returns:
        A line with the reason for each shard that is damaged, which gets no table.

    Raises:
        OSError: a table can't be written.

    Example:
        >>> import tarfile, tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with tarfile.open(folder / "letters.tar", "w") as archive:
        ...     member = tarfile.TarInfo("a.txt")
        ...     member.size = 3
        ...     archive.addfile(member, io.BytesIO(b"alf"))
        >>> index_shards(folder, measure=lambda members: len(members["txt"]))
        []
        >>> Shards(folder).length(0)
        3
    """
    problems = []
    for path in sorted(Path(folder).glob("*.tar")):
        beside = path.with_name(table_name(path.name))
        if beside.exists():
            continue
        try:
            with path.open("rb") as file:
                table = ShardTable.scan(file, str(path), {}, about or {})
                if measure is not None:
                    table.lengths[:] = [_measure(file, table, row, measure) for row in range(len(table))]
        except ValueError as error:
            problems.append(str(error))
            continue
        with atomic_path(beside) as temporary:
            temporary.write_bytes(table.to_bytes())
    return problems


def _measure(file: io.BufferedReader, table: ShardTable, row: int, measure: Callable[[Any], int]) -> int:
    members = {}
    for extension, offset, size in zip(
        table.extensions, table.offsets[row].tolist(), table.sizes[row].tolist(), strict=True
    ):
        if offset >= 0:
            file.seek(offset)
            members[extension] = file.read(size)
    try:
        return measure(members)
    except ValueError:
        return -1
