"""DiffWave evaluated tile by tile: any length of time in little memory, most of which caches hold.

A layer of dilation $d$ needs $d$ positions on either side. When a tile of positions is new to it, it can
answer for those that are $d$ behind; so each layer runs behind the one before, keeps of the past what it will
need, and nothing is computed twice.

Positions are rows: those that a tap of the convolution sees are a piece of memory as they are, and matrix
products add the taps, the residual and the skip to where they belong.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from priordiff.models.diffwave_conditions import Conditions, Window
from priordiff.models.diffwave_matrices import LayerMatrices, layer_matrices, outer_matrices

__all__ = ["TiledEvaluation"]


class _Scratch:
    """What the layers compute in, one after the other: rows are positions."""

    def __init__(self, channels: int, tile: int, factory: dict[str, Any]) -> None:
        self.factory, self.tile = factory, tile
        self.gates = torch.empty(tile, 2 * channels, **factory)
        self.gate, self.content = self.gates.chunk(2, 1)
        self.gated = torch.empty(tile, channels, **factory)
        self.half = torch.tensor(0.5, **factory)


class _Layer(NamedTuple):
    """A layer at one timestep.

    Attributes:
        dilation: in positions.
        lag: of what it is given.
        taps: of the convolution, each (C, 2C).
        condition: (channels of the condition + 1, 2C); the last row is the bias.
        residual: (C, C).
        skip: (C, C).
        silence: (C,), what it is given where the convolution is padded with zeros.
        newest: (tile, C), what it is given now.
        seen: (tile, C) each: the positions earlier, here and later, for which it answers.
        history: (2 · dilation, C), the latest positions that it was given before.
        kept: what becomes the history.
        skips: (tile, C), where its skip is added.
    """

    dilation: int
    lag: int
    taps: tuple[Tensor, ...]
    condition: Tensor
    residual: Tensor
    skip: Tensor
    silence: Tensor
    newest: Tensor
    seen: tuple[Tensor, Tensor, Tensor]
    history: Tensor
    kept: Tensor
    skips: Tensor

    @classmethod
    def at(cls, step: Tensor, layer: LayerMatrices, skips: Tensor, scratch: _Scratch) -> _Layer:
        """The layer for the embedding of a step (1, dim)."""
        factory, tile, d = scratch.factory, scratch.tile, layer.dilation
        seen = layer.shift + layer.step_projection(step)[0]  # x + step = scale · v + seen
        taps = layer.convolution.unflatten(1, (3, -1))
        condition = layer.condition.to(taps.dtype, copy=True)
        condition[:, -1] += taps.sum(1) @ (seen / layer.scale)
        silence = (-seen / layer.scale).to(**factory)
        given = silence.repeat(2 * d + tile, 1)
        residual, skip = (_rows(matrix, factory) for matrix in layer.output.chunk(2))
        return cls(
            dilation=d,
            lag=layer.lag,
            taps=tuple(_rows(tap, factory) for tap in taps.unbind(1)),
            condition=_rows(condition, factory),
            residual=residual,
            skip=skip,
            silence=silence,
            newest=given[2 * d :],
            seen=(given[:tile], given[d : d + tile], given[2 * d :]),
            history=given[: 2 * d],
            kept=given[tile:],
            skips=skips,
        )


def _rows(matrix: Tensor, factory: dict[str, Any]) -> Tensor:
    """The matrix by which rows are multiplied from the right."""
    return matrix.T.to(**factory).contiguous()


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
        self._first, self._middle, self._last = (
            (_rows(matrix, factory), _rows(bias, factory)) for matrix, bias in outer_matrices(model)
        )

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
            matrix, bias = self._first
            blocks = samples.to(matrix.dtype).unflatten(0, (-1, self._block))
            self._layers[0].newest[: len(blocks)] = torch.addmm(bias, blocks, matrix).relu_()
        for number, layer in enumerate(self._layers):
            start = index * tile - layer.lag
            if start < 0:
                layer.newest[:-start] = layer.silence
            if start + tile > self._length:
                layer.newest[max(self._length - start, 0) :] = layer.silence
            if -tile < start - layer.dilation < self._length:
                torch.mm(self._conditions.seen[number], layer.condition, out=scratch.gates)
                for seen, tap in zip(layer.seen, layer.taps, strict=True):
                    scratch.gates.addmm_(seen, tap)
                scratch.gates.sigmoid_()
                torch.mul(scratch.gate, scratch.content.sub_(scratch.half), out=scratch.gated)
                layer.skips.addmm_(scratch.gated, layer.skip)
                if number + 1 < len(self._layers):
                    following = self._layers[number + 1].newest
                    torch.addmm(layer.seen[1], scratch.gated, layer.residual, out=following)
            layer.history.copy_(layer.kept)

    def _prediction(self, index: int) -> Tensor:
        """The samples of the tile that is complete after a push."""
        (middle, constant), (last, bias) = self._middle, self._last
        hidden = torch.addmm(constant, self._skips.values[: self._tile], middle).relu_()
        return torch.addmm(bias, hidden, last)[: self._length - index * self._tile].flatten()
