"""An array in a file, of which no more is read than is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MappedArray"]


class MappedArray:
    """The numbers of a file, memory-mapped; pickled, it is the path: a worker process maps the file again.

    Args:
        path: the file.
        dtype: of its numbers, as numpy names it.
        shape: of one item; the items stand one after the other. Empty for single numbers.

    Attributes:
        path: the file.
        items: the array, read only, (N, *shape).

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers"
        >>> np.arange(6, dtype=np.uint8).tofile(path)
        >>> MappedArray(path, "uint8", (3,)).items[1].tolist()
        [3, 4, 5]
    """

    def __init__(self, path: str | os.PathLike[str], dtype: str, shape: tuple[int, ...] = ()) -> None:
        self.path = Path(path)
        self._arguments = (self.path, dtype, shape)
        self.items = np.memmap(path, dtype=dtype, mode="r").reshape(-1, *shape)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled memory map would carry every number with it.
        return MappedArray, self._arguments
