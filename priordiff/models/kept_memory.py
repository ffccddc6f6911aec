"""Memory of the CPU that outlives the tensors in it."""

from __future__ import annotations

import math
import weakref
from collections import deque
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

__all__ = ["KeptMemory"]

_CACHE_LINE = 64


class KeptMemory:
    """Lends memory to tensors, and keeps it for the next ones when they are gone.

    On CPUs PyTorch gives a large tensor's memory back to the system and asks for pages anew for the next,
    which the system clears one by one. Here it is lent again as soon as nothing refers to it any longer, and
    no earlier. Copies and pickles keep nothing.

    Example:
        >>> memory = KeptMemory()
        >>> (first,) = memory.empty(torch.float32, (200, 100))
        >>> address = first.data_ptr()
        >>> del first
        >>> (other,) = memory.empty(torch.float64, (50, 10))
        >>> other.data_ptr() == address
        True
    """

    def __init__(self) -> None:
        self._free: deque[np.ndarray] = deque()

    def __reduce__(self) -> tuple[type[KeptMemory], tuple[()]]:
        return KeptMemory, ()

    def empty(self, dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Tensors on the CPU, in one piece of memory, whose values may be any.

        Args:
            dtype: their type.
            shapes: of each.
        """
        sizes = list(map(math.prod, shapes))
        size = sum(sizes) * dtype.itemsize
        memory = self._taken(size)
        # A tensor refers to the array that it was made from for as long as anything refers to its storage.
        lent = memory[:size]
        weakref.finalize(lent, self._free.append, memory).atexit = False
        tensors = torch.from_numpy(lent).view(dtype).split(sizes)
        return [tensor.view(shape) for tensor, shape in zip(tensors, shapes, strict=True)]

    def release(self) -> None:
        """Gives back what nothing refers to."""
        self._free.clear()

    def _taken(self, size: int) -> np.ndarray:
        """The memory that became free last, without what is too small, or new memory."""
        with suppress(IndexError):  # none is left; asked before, another thread could take the last one
            while True:
                memory = self._free.pop()
                if len(memory) >= size:
                    return memory
        # NumPy asks Linux for huge pages.
        memory = np.empty(size + _CACHE_LINE, np.uint8)
        return memory[-memory.ctypes.data % _CACHE_LINE :]
