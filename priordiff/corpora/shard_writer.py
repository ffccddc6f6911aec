"""Writing a corpus as shards."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from priordiff._extra import require
from priordiff.corpora.shard_table import ShardTable, split_name, table_name
from priordiff.files import atomic_path, remove_partials

__all__ = ["ShardWriter"]

_BLOCK = 512


class ShardWriter:
    """Writes samples into numbered shards, each with its table; to be used as a context.

    A shard and its table appear whole. In a folder that has shards already, the writer goes on behind them,
    so that what was interrupted can be continued: `keys` says what is there. Needs the extra `shards`.

    Args:
        folder: where the shards are or will be; made where it is missing.
        about: what all samples have in common, kept in each table.
        max_bytes: a shard ends before it becomes larger than this; one with a single larger sample may.
        max_samples: a shard ends after so many samples.

    Attributes:
        keys: of the samples that are written, those of an earlier writer among them.
        num_shards: that are whole.

    Raises:
        ValueError: a limit is not positive, or the folder's shards have something else in common.

    Example:
        >>> import tempfile
        >>> from priordiff.corpora import Shards
        >>> folder = Path(tempfile.mkdtemp())
        >>> with ShardWriter(folder, max_samples=2) as writer:
        ...     for key in ("one", "two", "three"):
        ...         writer.write(key, {"txt": key.encode()})
        >>> shards = Shards(folder)
        >>> shards.sizes, shards.read(2)
        ((2, 1), {'txt': b'three'})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        about: Mapping[str, Any] | None = None,
        max_bytes: int = 1_000_000_000,
        max_samples: int = 100_000,
    ) -> None:
        for name, value in (("max_bytes", max_bytes), ("max_samples", max_samples)):
            if value < 1:
                raise ValueError(f"{name} is {value}, expected a positive number")
        self.folder, self.about = Path(folder), dict(about or {})
        self.max_bytes, self.max_samples = max_bytes, max_samples
        self.keys: set[str] = set()
        self.num_shards = 0
        self._lengths: dict[str, int] = {}
        self._stack = ExitStack()
        self._archive: Any = None
        self._file: IO[bytes] | None = None
        self._path = self.folder
        self._num_bytes = 0

    def __enter__(self) -> ShardWriter:
        require("webdataset", "shards")
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_partials(self.folder)
        while (path := self._shard().with_suffix(".npz")).exists():
            table = ShardTable.from_bytes(path.read_bytes(), str(path))
            if table.about != self.about:
                raise ValueError(
                    f"the shards in {self.folder} are {dict(table.about)}, but {self.about} were to be "
                    "written: choose another folder"
                )
            self.keys.update(table.keys)
            self.num_shards += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()
        else:
            self._stack.__exit__(kind, error, trace)

    def write(self, key: str, members: Mapping[str, bytes], length: int = 0) -> None:
        """Adds a sample.

        Args:
            key: its name, with no dot behind the last slash.
            members: its content, by extension, such as `{"flac": …, "txt": …}`.
            length: how long it is in the corpus's own unit.

        Raises:
            ValueError: the key or an extension can't be a part of a member's name, there is no member, or a
                sample of that key is there already.
            OSError: it can't be written; the shards before it are kept.
        """
        if not re.fullmatch(r"[^\0-\37/][^\0-\37]*(?<!/)", key):
            raise ValueError(
                f"the key {key!r} is empty, begins or ends with a slash or holds control characters"
            )
        # WebDataset takes what begins with an underscore for notes of its own.
        if not members or any(split_name(f"{key}.{x}") != (key, x) or x.startswith("_") for x in members):
            raise ValueError(
                f"sample {key!r} has the members {sorted(members)}: expected a key without a dot behind the "
                "last slash, and at least one extension, which begins with no underscore"
            )
        if key in self.keys:
            raise ValueError(f"a sample {key!r} is in {self.folder} already")
        size = sum(2 * _BLOCK + len(content) for content in members.values())
        is_full = self._num_bytes + size > self.max_bytes or len(self._lengths) == self.max_samples
        if self._lengths and is_full:
            self._finish()
        if self._archive is None:
            self._begin()
        self._archive.write({"__key__": key, **members})
        self._num_bytes += size
        self._lengths[key] = length
        self.keys.add(key)

    def _shard(self) -> Path:
        return self.folder / f"shard-{self.num_shards:06d}.tar"

    def _begin(self) -> None:
        self._path = self._shard()
        temporary = self._stack.enter_context(atomic_path(self._path))
        self._file = self._stack.enter_context(temporary.open("w+b"))
        # The same samples make the same bytes, whenever and by whomever they are written.
        writer = require("webdataset", "shards").TarWriter
        archive = writer(self._file, user="", group="", encoder=False, mtime=0)
        self._archive = self._stack.enter_context(archive)

    def _finish(self) -> None:
        if self._archive is None or self._file is None:
            return
        self._archive.close()
        self._file.flush()
        self._file.seek(0)
        table = ShardTable.scan(self._file, str(self._path), self._lengths, self.about)
        self._stack.close()
        with atomic_path(self.folder / table_name(self._path.name)) as temporary:
            temporary.write_bytes(table.to_bytes())
        self._archive, self._file, self._lengths, self._num_bytes = None, None, {}, 0
        self.num_shards += 1
