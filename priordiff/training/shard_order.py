r"""An order of samples that reads few shards at a time."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from priordiff.training.seeds import seed_for

__all__ = ["ShardOrder"]


class ShardOrder:
    r"""The samples of a corpus of shards in a new order in each epoch, as a function of seed and position.

    The shards are shuffled, then cut into windows of $W$ shards, and the samples of a window are shuffled:
    what a shuffle buffer of $W$ shards does, but without a state. Any position of any epoch is found in
    memory of the number of shards and the samples of a window, so that a run is resumed at the very sample,
    and each process and worker takes its own positions.

    Args:
        sizes: Samples of each shard, which are numbered shard by shard.
        seed: Seed of the run.
        window: How many shards are mixed, $W$.

    Example:
        >>> order = ShardOrder([3, 2, 4], seed=0, window=2)
        >>> sorted(order.index(epoch=0, position=position) for position in range(9))
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """

    def __init__(self, sizes: Sequence[int], seed: int, window: int = 16) -> None:
        self.sizes = np.asarray(sizes, dtype=np.int64)
        self.seed, self.window = seed, window
        self._firsts = np.cumsum(self.sizes) - self.sizes
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffle_shards)
        self._samples = functools.lru_cache(maxsize=3)(self._shuffle_window)

    def index(self, epoch: int, position: int) -> int:
        """Number of the sample at a position.

        Args:
            epoch: Passes through the corpus before.
            position: Samples before it in this epoch.
        """
        _, starts = self._epoch(epoch)
        window = int(np.searchsorted(starts, position, side="right")) - 1
        return int(self._samples(epoch, window)[position - starts[window]])

    def _shuffle_shards(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The shards in their order, and the position at which each window begins."""
        shards = self._random("shards", epoch).permutation(len(self.sizes))
        ends = np.cumsum(self.sizes[shards])
        return shards, np.concatenate([[0], ends[self.window - 1 :: self.window]])

    def _shuffle_window(self, epoch: int, window: int) -> np.ndarray:
        shards = self._epoch(epoch)[0][window * self.window : (window + 1) * self.window]
        samples = [self._firsts[shard] + np.arange(self.sizes[shard]) for shard in shards]
        return self._random(f"samples of epoch {epoch}", window).permutation(np.concatenate(samples))

    def _random(self, purpose: str, number: int) -> np.random.Generator:
        return np.random.default_rng(seed_for(self.seed, purpose, number))
