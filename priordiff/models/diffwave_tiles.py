"""DiffWave evaluated tile by tile: any length of time in little memory, most of which caches hold.

A layer of dilation $d$ needs $d$ positions on either side. When a tile of positions is new to it, it can
answer for those that are $d$ behind; so each layer runs behind the one before, keeps of the past what it will
need, and nothing is computed twice. Several evaluations run behind each other in the same way, so that what
they take from the mel frames is computed once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from priordiff.models.diffwave_conditions import Conditions, Window
from priordiff.models.diffwave_matrices import LayerMatrices, layer_matrices, outer_matrices

__all__ = ["Wavefront"]


class Wavefront:
    """Evaluations of DiffWave at several timesteps, one behind the other, over waveforms that pass once.

    Args:
        model: a `DiffWave`.
        timesteps: of the evaluations, in their order.
        log_mel: log-mel frames of one item (n_mels, frames).
        prior_std: of one item (frames,), if the model's `prior_condition` asks for it.
        tile: positions that are computed at a time, more if a dilation asks for it; a position is
            `block_size` samples.
        dtype: of the computation; None for the model's.

    Attributes:
        tile: samples that are computed at a time.
        num_tiles: of the waveform; the last one may be shorter.

    Example:
        >>> from priordiff import DiffWave
        >>> model = DiffWave(residual_channels=8, residual_layers=2, n_mels=4, hop_length=16).eval()
        >>> log_mel, waveform = torch.randn(4, 10), torch.randn(160)
        >>> with torch.no_grad():
        ...     wavefront = Wavefront(model, [7.0], log_mel, tile=64)
        ...     tiles = wavefront.run(waveform.split(64).__getitem__, lambda number, index, noise: noise)
        ...     prediction = torch.cat(list(tiles))
        >>> bool((prediction - model(waveform[None, None], 7.0, log_mel[None])[0, 0]).abs().max() < 1e-5)
        True
    """

    def __init__(
        self,
        model: Any,
        timesteps: Sequence[float],
        log_mel: Tensor,
        prior_std: Tensor | None = None,
        tile: int = 2048,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": log_mel.device, "dtype": dtype or model.dtype}
        layers = layer_matrices(model)
        length = log_mel.shape[-1] * model.config.hop_length // model.config.block_size
        tile = max(tile, 2 * max(layer.dilation for layer in layers))
        self.tile = tile * model.config.block_size
        self.num_tiles = -(-length // tile)
        # Whole tiles, so that what comes out of an evaluation goes into the next one as it is.
        self._behind = -(-layers[-1].lag_behind // tile)
        kept = self._behind * (len(timesteps) - 1) + 1
        self._conditions = Conditions(model, layers, log_mel, prior_std, self._behind, tile, kept, factory)
        scratch = _Scratch(model.config.residual_channels, tile, factory)
        self._evaluations = [
            _Evaluation(model, layers, timestep, length, self._behind, scratch) for timestep in timesteps
        ]

    def run(
        self, first: Callable[[int], Tensor], advance: Callable[[int, int, Tensor], Tensor]
    ) -> Iterator[Tensor]:
        """Evaluates, tile by tile.

        Args:
            first: from a tile's index to its samples (tile,) in the input of the first evaluation.
            advance: from the number of an evaluation, a tile's index and the prediction there to the same
                samples in the input of the next evaluation.

        Yields:
            What `advance` makes of the last evaluation, for each tile in order.
        """
        waiting: dict[tuple[int, int], Tensor] = {}
        last, waves = len(self._evaluations) - 1, self.num_tiles + self._behind
        for wave in range(waves + self._behind * last):
            if wave < waves:
                self._conditions.add(wave)
            for number, evaluation in enumerate(self._evaluations):
                index = wave - self._behind * number
                if not 0 <= index < waves:
                    continue
                samples = None
                if index < self.num_tiles:
                    samples = waiting.pop((number, index)) if number else first(index)
                evaluation.push(samples, index, self._conditions)
                if (done := index - self._behind) < 0:
                    continue
                advanced = advance(number, done, evaluation.prediction(done))
                if number == last:
                    yield advanced
                else:
                    waiting[number + 1, done] = advanced


class _Scratch:
    """What evaluations use while they compute, one after the other."""

    def __init__(self, channels: int, tile: int, factory: dict[str, Any]) -> None:
        self.factory, self.tile = factory, tile
        self.stack = torch.ones(3 * channels + 1, tile, **factory)  # the last row multiplies the bias
        self.earlier, self.here, self.later = self.stack[:-1].split(channels)
        self.gates = torch.empty(2 * channels, tile, **factory)
        self.gate, self.content = self.residual, self.skip = self.gates.chunk(2)
        self.gated = torch.empty(channels, tile, **factory)
        self.half = torch.tensor(0.5, **factory)


class _Layer(NamedTuple):
    """A layer of one evaluation.

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


class _Evaluation:
    """One evaluation of the network, at one timestep."""

    def __init__(
        self,
        model: Any,
        layers: Sequence[LayerMatrices],
        timestep: float,
        length: int,
        tiles_behind: int,
        scratch: _Scratch,
    ) -> None:
        self._scratch, self._length, self._block = scratch, length, model.config.block_size
        self._skips = Window(model.config.residual_channels, tiles_behind, scratch.tile, scratch.factory)
        step = model.step_embedding(torch.tensor([timestep], device=model.device), model.dtype)
        self._layers = [
            _Layer.at(step, layer, self._skips.behind(layer.lag_behind), scratch) for layer in layers
        ]
        self._outer = outer_matrices(model, scratch.factory)

    def push(self, samples: Tensor | None, index: int, conditions: Conditions) -> None:
        """Takes a tile's samples in; None beyond the end."""
        scratch, tile = self._scratch, self._scratch.tile
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
            if -tile < start - layer.dilation < self._length:
                for source, target in layer.copies:
                    target.copy_(source)
                layer.history.copy_(layer.kept)
                conditions.write(number, index, scratch.gates)
                scratch.gates.addmm_(layer.convolution, scratch.stack).sigmoid_()
                torch.mul(scratch.gate, scratch.content.sub_(scratch.half), out=scratch.gated)
                torch.mm(layer.output, scratch.gated, out=scratch.gates)
                layer.skip.add_(scratch.skip)
                torch.add(scratch.here, scratch.residual, out=scratch.later)
            else:
                layer.history.copy_(layer.kept)

    def prediction(self, index: int) -> Tensor:
        """The samples of the tile that is complete after a push."""
        (middle, constant), (last, bias) = self._outer.middle, self._outer.last
        hidden = torch.addmm(constant, middle, self._skips.values[:, : self._scratch.tile]).relu_()
        blocks = torch.addmm(bias, last, hidden)
        return blocks[:, : self._length - index * self._scratch.tile].T.flatten()
