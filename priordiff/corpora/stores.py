"""Folders of shards, on a disk or in a store that fsspec knows."""

from __future__ import annotations

import os
from typing import Any

from priordiff._extra import require

__all__ = ["ShardStore"]


class ShardStore:
    """A folder from whose files pieces are read: a path, or an address such as `s3://bucket/folder`.

    It can be pickled and used after a fork: each process opens the folder for itself.

    Args:
        folder: its path, or an address that [fsspec](https://filesystem-spec.readthedocs.io) knows.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "numbers").write_bytes(b"0123456789")
        >>> store = ShardStore(folder)
        >>> store.files(), store.read("numbers", 2, 3)
        ({'numbers': 10}, b'234')
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._opened: tuple[int, Any, str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardStore, (self.folder,)

    def files(self) -> dict[str, int]:
        """The files of the folder, by name, and their sizes in bytes.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        system, root = self._open()
        try:
            listed = system.ls(root, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            listed = []
        if not listed and not system.isdir(root):
            raise FileNotFoundError(f"no folder {self.folder}: name a folder that holds shards")
        return {
            entry["name"].rstrip("/").rpartition("/")[2]: entry["size"]
            for entry in sorted(listed, key=lambda entry: entry["name"])
            if entry["type"] == "file"
        }

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file.

        Args:
            name: of the file.
            offset: of the first byte.
            size: how many; None: up to the end.

        Raises:
            OSError: they can't be read, or the file ends before; the message names the file.
        """
        system, root = self._open()
        path = f"{root}/{name}"
        try:
            data = system.cat_file(path, start=offset, end=None if size is None else offset + size)
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise OSError(f"{self.folder}/{name} cannot be read ({reason})") from error
        if size is not None and len(data) != size:
            raise OSError(
                f"{self.folder}/{name} ends before byte {offset + size}, up to which a sample lies: it is "
                "truncated; copy it anew"
            )
        return data

    def _open(self) -> tuple[Any, str]:
        # Connections and threads of a store don't survive a fork.
        if self._opened is None or self._opened[0] != os.getpid():
            system, root = require("fsspec", "shards").core.url_to_fs(self.folder)
            self._opened = os.getpid(), system, root.rstrip("/")
        return self._opened[1:]
