"""DiffWave evaluated tile by tile: any length of time in little memory, most of which caches hold.

A layer of dilation $d$ needs $d$ positions on either side. When a tile of positions is new to it, it can
answer for those that are $d$ behind; so each layer runs behind the one before, keeps of the past what it will
need, and nothing is computed twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from priordiff.models.diffwave_conditions import Conditions, Window
from priordiff.models.diffwave_matrices import LayerMatrices, layer_matrices, outer_matrices

__all__ = ["TiledEvaluation"]


class _Scratch:
    """What the layers compute in, one after the other."""

    def __init__(self, channels: int, tile: int, factory: dict[str, Any]) -> None:
        self.factory, self.tile = factory, tile
        self.stack = torch.ones(3 * channels + 1, tile, **factory)  # the last row multiplies the bias
        self.earlier, self.here, self.later = self.stack[:-1].split(channels)
        self.gates = torch.empty(2 * channels, tile, **factory)
        self.gate, self.content = self.residual, self.skip = self.gates.chunk(2)
        self.gated = torch.empty(channels, tile, **factory)
        self.half = torch.tensor(0.5, **factory)


class _Layer(NamedTuple):
    """A layer at one timestep.

    Attributes:
        dilation: in positions.
        lag: of what it is given.
        convolution: (2C, 3C + 1); the last column is the bias.
        output: (2C, C).
        silence: (C, 1), what it is given where the convolution is padded with zeros.
        history: (C, 2 · dilation), the latest positions that it was given.
        copies: from where to where, for the convolution to see the positions earlier, here and later.
        kept: what becomes the history.
        skip: where its skip is added.
    """

    dilation: int
    lag: int
    convolution: Tensor
    output: Tensor
    silence: Tensor
    history: Tensor
    copies: list[tuple[Tensor, Tensor]]
    kept: Tensor
    skip: Tensor

    @classmethod
    def at(cls, step: Tensor, layer: LayerMatrices, skip: Tensor, scratch: _Scratch) -> _Layer:
        """The layer for the embedding of a step (1, dim)."""
        factory, tile, d = scratch.factory, scratch.tile, layer.dilation
        seen = layer.shift + layer.step_projection(step)[0]  # x + step = scale · v + seen
        bias = layer.convolution.unflatten(1, (3, -1)).sum(1) @ (seen / layer.scale)
        silence = (-seen / layer.scale)[:, None].to(**factory)
        history = silence.repeat(1, 2 * d)
        copies = [
            (history, scratch.earlier[:, : 2 * d]),
            (scratch.later[:, : tile - 2 * d], scratch.earlier[:, 2 * d :]),
            (history[:, d:], scratch.here[:, :d]),
            (scratch.later[:, : tile - d], scratch.here[:, d:]),
        ]
        convolution = torch.cat([layer.convolution, bias[:, None]], 1).to(**factory)
        kept = scratch.later[:, tile - 2 * d :]
        return cls(
            d, layer.lag, convolution, layer.output.to(**factory), silence, history, copies, kept, skip
        )


class TiledEvaluation:
    """An evaluation of a `DiffWave` on one item.

    Args:
        model: the network.
        timestep: training step.
        log_mel: log-mel frames (n_mels, frames).
        prior_std: (frames,), if the model's `prior_condition` asks for it.
        tile: positions that are computed at a time, more if a dilation asks for it; a position is
            `block_size` samples.
        dtype: of the computation.

    Example:
        >>> from priordiff import DiffWave
        >>> model = DiffWave(residual_channels=8, residual_layers=2, n_mels=4, hop_length=16).eval()
        >>> log_mel, waveform = torch.randn(4, 10), torch.randn(160)
        >>> with torch.no_grad():
        ...     in_tiles = TiledEvaluation(model, 7.0, log_mel, None, tile=64, dtype=torch.float32)(waveform)
        ...     at_once = model(waveform[None, None], 7.0, log_mel[None])[0, 0]
        >>> torch.allclose(in_tiles, at_once, atol=1e-5)
        True
    """

    def __init__(
        self,
        model: Any,
        timestep: float,
        log_mel: Tensor,
        prior_std: Tensor | None,
        tile: int,
        dtype: torch.dtype,
    ) -> None:
        config, factory = model.config, {"device": log_mel.device, "dtype": dtype}
        layers = layer_matrices(model)
        self._block, self._length = (
            config.block_size,
            log_mel.shape[-1] * config.hop_length // config.block_size,
        )
        self._tile = tile = max(tile, 2 * max(layer.dilation for layer in layers))
        # Whole tiles, so that what is complete after a push is one.
        self._tiles_behind = -(-layers[-1].lag_behind // tile)
        self._scratch = _Scratch(config.residual_channels, tile, factory)
        self._conditions = Conditions(model, layers, log_mel, prior_std, self._tiles_behind, tile, factory)
        self._skips = Window(config.residual_channels, self._tiles_behind, tile, factory)
        step = model.step_embedding(torch.tensor([timestep], device=model.device), model.dtype)
        self._layers = [
            _Layer.at(step, layer, self._skips.behind(layer.lag_behind), self._scratch) for layer in layers
        ]
        self._outer = outer_matrices(model, factory)

    def __call__(self, waveform: Tensor) -> Tensor:
        """The prediction for a noisy waveform (samples,)."""
        tiles, predictions = waveform.split(self._tile * self._block), []
        for index in range(len(tiles) + self._tiles_behind):
            self._conditions.add(index)
            self._push(tiles[index] if index < len(tiles) else None, index)
            if (done := index - self._tiles_behind) >= 0:
                predictions.append(self._prediction(done))
        return torch.cat(predictions)

    def _push(self, samples: Tensor | None, index: int) -> None:
        """Takes a tile in; None beyond the end."""
        scratch, tile = self._scratch, self._tile
        self._skips.shift()
        if samples is not None:
            matrix, bias = self._outer.first
            blocks = samples.to(matrix.dtype).unflatten(0, (-1, self._block)).T
            scratch.later[:, : blocks.shape[1]] = torch.addmm(bias, matrix, blocks).relu_()
        for number, layer in enumerate(self._layers):
            start = index * tile - layer.lag
            if start < 0:
                scratch.later[:, :-start] = layer.silence
            if start + tile > self._length:
                scratch.later[:, max(self._length - start, 0) :] = layer.silence
            answers = -tile < start - layer.dilation < self._length
            for source, target in layer.copies if answers else ():
                target.copy_(source)
            layer.history.copy_(layer.kept)
            if answers:
                self._conditions.write(number, scratch.gates)
                scratch.gates.addmm_(layer.convolution, scratch.stack).sigmoid_()
                torch.mul(scratch.gate, scratch.content.sub_(scratch.half), out=scratch.gated)
                torch.mm(layer.output, scratch.gated, out=scratch.gates)
                layer.skip.add_(scratch.skip)
                torch.add(scratch.here, scratch.residual, out=scratch.later)

    def _prediction(self, index: int) -> Tensor:
        """The samples of the tile that is complete after a push."""
        (middle, constant), (last, bias) = self._outer.middle, self._outer.last
        hidden = torch.addmm(constant, middle, self._skips.values[:, : self._tile]).relu_()
        blocks = torch.addmm(bias, last, hidden)
        return blocks[:, : self._length - index * self._tile].T.flatten()
