"""Signals of a batch as matrices whose rows are positions, cut into tiles that caches hold."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["PositionTiles"]

# Rows of a tile for each thread: what is computed with more would not fit into a core's cache.
_TILE = 1536


class PositionTiles:
    """How signals (length · batch, channels) are cut, and where their padding is.

    The rows of a position, one for each item, are neighbours, so that what a tap of a dilated convolution
    sees, of all items, is a piece of memory as it is.

    Args:
        batch: items.
        length: positions.
        dilations: of the convolutions, which see as far beyond either end.

    Attributes:
        rows: of a signal.
        padded_rows: of one with its padding.
        largest: rows of a tile; the last one may have fewer.
    """

    def __init__(self, batch: int, length: int, dilations: Sequence[int]) -> None:
        self._batch, self._margin = batch, max(dilations) * batch
        self.rows = length * batch
        self.padded_rows = self.rows + 2 * self._margin
        most = max(_TILE * torch.get_num_threads() // batch, 1)
        self.largest = -(-length // -(-length // most)) * batch

    def cut(self, signal: Tensor) -> tuple[Tensor, ...]:
        """The tiles of a signal."""
        return signal.split(self.largest)

    def items(self, signal: Tensor) -> Tensor:
        """A signal, or a tile of one, as (positions, batch, channels)."""
        return signal.unflatten(0, (-1, self._batch))

    def inner(self, padded: Tensor) -> Tensor:
        """A signal without its padding."""
        return padded.narrow(-2, self._margin, self.rows)

    def in_silence(self, padded: Tensor) -> Tensor:
        """Signals (…, padded rows, channels), whose padding becomes zero."""
        for start in (0, self._margin + self.rows):
            padded.narrow(-2, start, self._margin).zero_()
        return padded

    def seen(self, padded: Tensor, dilation: int) -> list[Tensor]:
        """What the taps of a convolution see: a signal d positions earlier, where it is, and d later."""
        shifts = (-dilation * self._batch, 0, dilation * self._batch)
        return [padded.narrow(-2, self._margin + shift, self.rows) for shift in shifts]
