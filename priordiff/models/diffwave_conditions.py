"""What DiffWave's layers take from the mel frames, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from priordiff.models.diffwave_matrices import LayerMatrices

__all__ = ["UPSAMPLING_MARGIN", "Conditions", "Window"]

# Frames beyond a piece's ends that the two transposed convolutions of its upsampling see.
UPSAMPLING_MARGIN = 2


class Window:
    """A signal's newest tile, and those before it that are still needed, (positions, channels)."""

    def __init__(self, channels: int, tiles_behind: int, tile: int, factory: dict[str, Any]) -> None:
        self.tile, self.tiles_behind = tile, tiles_behind
        self.values = torch.zeros((tiles_behind + 1) * tile, channels, **factory)

    def behind(self, lag: int) -> Tensor:
        """As many positions as a tile has, so far behind the newest."""
        return self.values.narrow(0, self.tiles_behind * self.tile - lag, self.tile)

    def shift(self) -> None:
        """Makes room for the next tile, which is zero until it is written."""
        for number in range(self.tiles_behind, 0, -1):
            self.behind(number * self.tile).copy_(self.behind((number - 1) * self.tile))
        self.behind(0).zero_()


class Conditions:
    """The conditions of all layers of a `DiffWave` for one item.

    Args:
        model: whose upsampling makes positions of frames.
        layers: its matrices.
        log_mel: (n_mels, frames).
        prior_std: (frames,), if the model asks for it.
        tiles_behind: by how many the network's answer is behind its input.
        tile: positions.
        factory: device and dtype.

    Attributes:
        seen: of each layer what is to be multiplied by its matrix, for the tile that it answers for now
            (tile, channels + 1); the last column is one.
    """

    def __init__(
        self,
        model: Any,
        layers: Sequence[LayerMatrices],
        log_mel: Tensor,
        prior_std: Tensor | None,
        tiles_behind: int,
        tile: int,
        factory: dict[str, Any],
    ) -> None:
        self._model, self._log_mel, self._prior_std = model, log_mel, prior_std
        self._stride = model.config.hop_length // model.config.block_size
        self._window = Window(layers[0].condition.shape[1], tiles_behind, tile, factory)
        self.seen = [self._window.behind(layer.lag_behind) for layer in layers]

    def add(self, index: int) -> None:
        """Takes the next tile in."""
        self._window.shift()
        newest, tile = self._window.behind(0), self._window.tile
        newest[:, -1] = 1  # multiplies the bias
        start, stop = index * tile, min((index + 1) * tile, self._log_mel.shape[-1] * self._stride)
        if start < stop:
            newest[: stop - start, :-1] = self._upsampled(start, stop).T

    def _upsampled(self, start: int, stop: int) -> Tensor:
        """The channels of the condition at some positions."""
        first = max(start // self._stride - UPSAMPLING_MARGIN, 0)
        frames = slice(first, -(-stop // self._stride) + UPSAMPLING_MARGIN)
        prior_std = None if self._prior_std is None else self._prior_std[None, frames]
        parts = self._model.upsampled(self._log_mel[None, :, frames], prior_std)
        channels = torch.cat([part for part in parts if part is not None], 1)[0, :, 0]
        return channels[:, start - first * self._stride : stop - first * self._stride]
