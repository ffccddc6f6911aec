"""Many files on a CPU, each the work of one thread: threads wait less than if they shared every file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

__all__ = ["in_threads"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(
    work: Callable[[_Item], _Result], items: Sequence[_Item], device: torch.device
) -> Iterator[_Result]:
    """The results of items, in their order, as soon as they are there.

    On a CPU as many items are worked on at a time as PyTorch has threads, which they share evenly. Elsewhere
    it is one after the other.

    Args:
        work: called for each item; whatever it changes has to be its own.
        items: what it is called with.
        device: on which it computes.

    Raises:
        Exception: what `work` raises, for the first item for which it does; none is begun any more.

    Example:
        >>> list(in_threads(len, ["a", "bcd"], torch.device("cpu")))
        [1, 3]
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items)) if device.type == "cpu" else 1
    if workers < 2:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads that begin later have as many as were set last, by whichever
