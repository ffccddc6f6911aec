"""What a shard holds and where: a small file beside each tar file."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, unquote

import numpy as np

__all__ = ["ShardTable", "sample_key", "sample_name", "split_name", "table_name"]

_VERSION = 1
_BLOCK = 512
# Where a table is damaged decides what reading it raises.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class ShardTable:
    """Where the members of each sample lie in a shard.

    A shard is a tar file in [WebDataset](https://github.com/webdataset/webdataset)'s format: members that
    follow each other and whose names are alike up to the first dot behind the last slash, the *key*, are one
    sample; what follows that dot is the *extension* of the member.

    Attributes:
        keys: of the samples, in the order of the file.
        extensions: of the members that there are.
        offsets: first byte of each member, int64 (samples, extensions); −1 where a sample has none.
        sizes: bytes of each member, int64 (samples, extensions).
        lengths: how long each sample is in the corpus's own unit, such as samples of audio, int64 (samples,).
        num_bytes: size of the tar file.
        about: what all samples have in common, such as `{"sample_rate": 22050}`.
    """

    keys: tuple[str, ...]
    extensions: tuple[str, ...]
    offsets: np.ndarray
    sizes: np.ndarray
    lengths: np.ndarray
    num_bytes: int
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def scan(
        cls, file: IO[bytes], name: str, lengths: Mapping[str, int], about: Mapping[str, Any]
    ) -> ShardTable:
        """Makes the table of a tar file from the headers of its members.

        Args:
            file: the tar file, open for reading.
            name: of the file, for messages.
            lengths: of the samples, by key; 0 where it has none.
            about: as the attribute.

        Raises:
            ValueError: it is no tar file, is compressed or truncated, holds nothing, or holds a name twice.
        """
        members: dict[str, dict[str, tuple[int, int]]] = {}
        end = 0
        try:
            # "r:" refuses compressed files, in which no member can be reached alone.
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                    key, extension = split_name(member.name)
                    if not member.isfile() or not key.rpartition("/")[2]:
                        continue
                    if extension in members.setdefault(key, {}):
                        raise ValueError(f"{name} holds {member.name} twice")
                    members[key][extension] = member.offset_data, member.size
        except tarfile.TarError as error:
            raise ValueError(f"{name} is no whole tar file without compression ({error})") from error
        if not members:
            raise ValueError(f"{name} holds no samples")
        file.seek(end)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise ValueError(f"{name} is truncated: it lacks the empty blocks that close a tar file")
        extensions = sorted({extension for sample in members.values() for extension in sample})
        places = np.array([[each.get(x, (-1, 0)) for x in extensions] for each in members.values()])
        return cls(
            tuple(members),
            tuple(extensions),
            places[..., 0],
            places[..., 1],
            np.array([lengths.get(key, 0) for key in members]),
            file.seek(0, io.SEEK_END),
            dict(about),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def to_bytes(self) -> bytes:
        """The table as a file, which `from_bytes` reads."""
        words = json.dumps([_VERSION, self.keys, self.extensions, self.num_bytes, self.about])
        file = io.BytesIO()
        np.savez_compressed(
            file,
            words=np.frombuffer(words.encode(), np.uint8),
            offsets=self.offsets.astype(np.int64),
            sizes=self.sizes.astype(np.int64),
            lengths=self.lengths.astype(np.int64),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> ShardTable:
        """Reads a table.

        Args:
            data: the content of the file.
            name: of the file, for messages.

        Raises:
            ValueError: the file is damaged, or of another version.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                version, keys, extensions, num_bytes, about = json.loads(arrays["words"].tobytes())
                offsets, sizes, lengths = (arrays[each] for each in ("offsets", "sizes", "lengths"))
            if version != _VERSION or offsets.shape != (len(keys), len(extensions)):
                raise ValueError(f"version {version}")
        except _DAMAGED as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{name} is no table of a shard, or is damaged ({reason}): delete it and make it anew"
            ) from error
        return cls(tuple(keys), tuple(extensions), offsets, sizes, lengths, num_bytes, about)


def table_name(shard: str) -> str:
    """Name of the file beside a shard that holds its table.

    Example:
        >>> table_name("shard-000000.tar")
        'shard-000000.npz'
    """
    return f"{shard.removesuffix('.tar')}.npz"


def sample_key(name: str) -> str:
    """The key under which a sample of any name is kept; `sample_name` is the inverse.

    Example:
        >>> sample_key("v1.0/LJ001-0001"), sample_name("v1%2E0/LJ001-0001")
        ('v1%2E0/LJ001-0001', 'v1.0/LJ001-0001')
    """
    # In WebDataset's names the first dot behind the last slash ends the key.
    return quote(name, safe="/ ", errors="surrogateescape").replace(".", "%2E")


def sample_name(key: str) -> str:
    """The name of the sample that is kept under a key."""
    return unquote(key, errors="surrogateescape")


def split_name(member: str) -> tuple[str, str]:
    """Key and extension of a member's name.

    Example:
        >>> split_name("v1.0/LJ001-0001.text.json")
        ('v1.0/LJ001-0001', 'text.json')
    """
    folder, slash, name = member.removeprefix("./").rpartition("/")
    stem, _, extension = name.partition(".")
    return f"{folder}{slash}{stem}", extension
