"""Decoding the items of a corpus once, into one file of numbers and an index."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from priordiff.files import atomic_path, remove_partials, write_text

__all__ = ["CorpusCache", "cache_folder", "decode_into", "fingerprint", "size_and_time"]

_logger = logging.getLogger(__name__)

_INDEX = "index.json"
_SKIPPED = "skipped.txt"

Item = TypeVar("Item")


@dataclass(frozen=True)
class CorpusCache:
    """A folder with what was decoded of one corpus, as long as its key is that of what it was made from.

    Processes may fill the same cache at the same time: each file appears whole, so the work is redundant but
    right.

    Attributes:
        folder: for this corpus alone; made when it is filled.
        key: [`fingerprint`][priordiff.corpora.fingerprint] of everything that the content depends on.
        kind: name of the file of numbers, less its key, such as `"samples.f32"`.
    """

    folder: Path
    key: str
    kind: str

    @property
    def data_path(self) -> Path:
        """The file of numbers."""
        # Named by what it holds: an index can never meet the numbers of another.
        stem, _, suffix = self.kind.partition(".")
        return self.folder / f"{stem}-{self.key[:16]}.{suffix}"

    @property
    def skipped_path(self) -> Path:
        """The file that names what was not usable, a line each, with the reasons."""
        return self.folder / _SKIPPED

    def read(self) -> dict[str, Any] | None:
        """What `write_index` has noted, or None if it isn't there, is damaged, or has another key."""
        try:
            index = json.loads((self.folder / _INDEX).read_text(encoding="utf-8"))
            if index["key"] != self.key or index["num_bytes"] != self.data_path.stat().st_size:
                return None
            return index["content"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_index(self, content: dict[str, Any], skipped: Iterable[str]) -> None:
        """Notes what the file of numbers holds, and removes those of other keys.

        Args:
            content: that JSON can hold.
            skipped: the lines that name what was not usable.
        """
        write_text(self.skipped_path, "".join(f"{line}\n" for line in skipped))
        index = {"key": self.key, "num_bytes": self.data_path.stat().st_size, "content": content}
        write_text(self.folder / _INDEX, json.dumps(index))
        stem, _, suffix = self.kind.partition(".")
        for outdated in self.folder.glob(f"{stem}-*.{suffix}"):
            if outdated != self.data_path:
                outdated.unlink(missing_ok=True)

    def report_skipped(self, num_usable: int, skipped: list[str], items: str, origin: str) -> None:
        """Says how many items were skipped, and where they are named.

        Args:
            num_usable: how many were not.
            skipped: a line for each that was.
            items: what they are, in the plural.
            origin: where they come from.

        Raises:
            ValueError: none is usable; the message has the first one's reason, if there is any.
        """
        if not num_usable and not skipped:
            raise ValueError(f"there are none of the {items} in {origin}: expected at least one")
        if not num_usable:
            raise ValueError(
                f"none of the {len(skipped)} {items} in {origin} can be used; the first: {skipped[0]} "
                f"(see {self.skipped_path} for all)"
            )
        if skipped:
            _logger.warning(
                "skipped %d of %d %s in %s, named with the reasons in %s",
                len(skipped),
                num_usable + len(skipped),
                items,
                origin,
                self.skipped_path,
            )


def decode_into(
    cache: CorpusCache,
    items: Iterable[Item],
    decode: Callable[[Item], bytes],
    description: str,
    progress: bool,
) -> list[str]:
    """Writes the cache's file of numbers: all items that are usable, one after the other.

    Args:
        cache: that is filled.
        items: of the corpus.
        decode: makes the bytes of one; what it refuses with an `OSError` or a `ValueError` is skipped.
        description: of the work, beside the progress bar.
        progress: whether to show one, if there is a terminal.

    Returns:
        A line with the reason for each item that was skipped.

    Raises:
        OSError: the file can't be written; nothing is half-written.
    """
    skipped = []
    cache.folder.mkdir(parents=True, exist_ok=True)
    remove_partials(cache.folder, shared=True)
    with atomic_path(cache.data_path) as temporary, temporary.open("wb") as file:
        for item in tqdm(items, description, disable=None if progress else True):
            try:
                decoded = decode(item)
            except (OSError, ValueError) as error:
                skipped.append(" ".join(str(error).split()))
                continue
            file.write(decoded)
    return skipped


def fingerprint(*content: Any) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def size_and_time(path: Path) -> tuple[int, int] | None:
    """What changes when a file does: its size in bytes and its time in nanoseconds; None: it is not there."""
    try:
        status = path.stat()
    except OSError:  # a dangling link
        return None
    return status.st_size, status.st_mtime_ns


def cache_folder(cache_directory: str | os.PathLike[str], origin: str | os.PathLike[str]) -> Path:
    """The folder of what is made from another one; what comes from any other folder has another one.

    Args:
        cache_directory: where such folders are.
        origin: what it is made from.

    Example:
        >>> cache_folder("data", "/home/recordings").as_posix()
        'data/cache/recordings-...'
    """
    name = hashlib.blake2b(os.fsencode(os.path.realpath(origin)), digest_size=6).hexdigest()
    return Path(cache_directory) / "cache" / f"{Path(origin).name}-{name}"
