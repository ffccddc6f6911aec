"""Signals of a batch, cut into tiles that are columns of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PositionTiles", "Tile"]

# Positions of a tile for each thread, of all items together: more would not fit into a core's cache.
_TILE = 1024


class Tile(NamedTuple):
    """Positions start … stop of every item; columns are those of all items."""

    start: int
    stop: int
    columns: int

    @property
    def where(self) -> slice:
        """The positions."""
        return slice(self.start, self.stop)


class PositionTiles:
    """How signals (channels, batch, length) are cut, and what a dilated convolution of three taps sees.

    Args:
        x: a signal.
        dilations: of the convolutions.
    """

    def __init__(self, x: Tensor, dilations: Sequence[int]) -> None:
        self._channels, self._batch, self._length = x.shape
        self._margin = max(dilations)
        self.padded = (self._channels, self._batch, self._length + 2 * self._margin)
        most = max(_TILE * torch.get_num_threads() // self._batch, 1)
        size = -(-self._length // -(-self._length // most))
        stops = [min(start + size, self._length) for start in range(0, self._length, size)]
        self.tiles = [
            Tile(start, stop, (stop - start) * self._batch)
            for start, stop in zip(range(0, self._length, size), stops, strict=True)
        ]
        self.columns = size * self._batch
        self._stack = x.new_ones(3 * self._channels + 1, self.columns)

    def inner(self, padded: Tensor) -> Tensor:
        """A signal without the margins that `padded` has on either side."""
        return padded.narrow(2, self._margin, self._length)

    def matrix(self, values: Tensor, tile: Tile) -> Tensor:
        """A tile of a signal (rows, batch, length) as a matrix (rows, columns)."""
        return values[:, :, tile.where].reshape(len(values), -1)

    def signal(self, matrix: Tensor) -> Tensor:
        """The columns of a matrix as (rows, batch, positions)."""
        return matrix.unflatten(1, (self._batch, -1))

    def seen(self, padded: Tensor, tile: Tile, dilation: int) -> list[Tensor]:
        """Of a tile, the positions d earlier, where they are, and d later."""
        first, length = tile.start + self._margin, tile.stop - tile.start
        return [padded.narrow(2, first + shift, length) for shift in (-dilation, 0, dilation)]

    def stack(self, padded: Tensor, tile: Tile, dilation: int) -> Tensor:
        """These as one matrix (3C + 1, columns) whose last row is one; the next call overwrites it."""
        stack = self._stack[:, : tile.columns]
        rows = self.signal(stack[:-1]).split(self._channels)
        for row, values in zip(rows, self.seen(padded, tile, dilation), strict=True):
            row.copy_(values)
        return stack
