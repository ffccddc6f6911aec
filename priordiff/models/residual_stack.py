r"""DiffWave's residual layers as one function of autograd, in matrix products over tiles that caches hold.

For each layer, with the positions that the convolution sees stacked as $X$, the condition $u$ and
$\tanh c = 2\sigma(2c) - 1$,

$$\begin{pmatrix} g \\ 2c \end{pmatrix} = A X + B u + b, \qquad z = \sigma(g)\,(\sigma(2c) - \tfrac12), \qquad
\begin{pmatrix} r \\ s \end{pmatrix} = 2 W z + w,$$

$x \leftarrow (x + r)/\sqrt 2$, and the sum of all $s$ is what comes out. Only $x$ and the sigmoids are kept
for the way back.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from priordiff.models.position_tiles import PositionTiles

__all__ = ["ResidualStack"]

_ROOT = math.sqrt(0.5)


class ResidualStack(torch.autograd.Function):
    """The sum of the skips (C, batch, length) of L layers.

    The arguments of `apply` are the layers' dilations; x (C, batch, length); what of the step is added for
    each layer (L, C, batch); the condition (M, batch, length); and, stacked over the layers, the weights of
    the convolutions, with the sum of both biases as the last column (L, 2C, 3C + 1), those of the conditions
    (L, 2C, M), and those of the outputs, with their bias (L, 2C, C + 1).
    """

    @staticmethod
    def forward(
        ctx: Any,
        dilations: tuple[int, ...],
        x: Tensor,
        steps: Tensor,
        condition: Tensor,
        convolutions: Tensor,
        conditions: Tensor,
        outputs: Tensor,
    ) -> Tensor:
        """The sum; `ctx` keeps what the way back needs."""
        tiles = PositionTiles(x, dilations)
        convolutions, conditions = _doubled(convolutions), _doubled(conditions)
        outputs = torch.cat([2 * outputs[..., :-1], outputs[..., -1:]], -1)
        given = x.new_zeros(len(dilations), *tiles.padded)  # to each layer, with its step
        torch.add(x, steps[0, :, :, None], out=tiles.inner(given[0]))
        seen = [tiles.matrix(condition, tile) for tile in tiles.tiles]
        sigmoids = [[x.new_empty(2 * len(x), tile.columns) for tile in tiles.tiles] for _ in dilations]
        gated, out = x.new_ones(len(x) + 1, tiles.columns), x.new_empty(2 * len(x), tiles.columns)
        skips = torch.zeros_like(x)
        for number, dilation in enumerate(dilations):
            is_last = number + 1 == len(dilations)
            change = None if is_last else (steps[number + 1] - _ROOT * steps[number])[:, :, None]
            for tile, condition_here, sigmoid in zip(tiles.tiles, seen, sigmoids[number], strict=True):
                torch.mm(conditions[number], condition_here, out=sigmoid)
                sigmoid.addmm_(convolutions[number], tiles.stack(given[number], tile, dilation)).sigmoid_()
                gate, content = sigmoid.chunk(2)
                z, o = gated[:, : tile.columns], out[:, : tile.columns]
                torch.sub(content, 0.5, out=z[:-1]).mul_(gate)
                residual, skip = tiles.signal(torch.mm(outputs[number], z, out=o)).chunk(2)
                skips[:, :, tile.where] += skip
                if change is not None:
                    residual += tiles.inner(given[number])[:, :, tile.where]
                    following = tiles.inner(given[number + 1])[:, :, tile.where]
                    torch.add(change, residual, alpha=_ROOT, out=following)
        ctx.dilations, ctx.sigmoids, ctx.seen = dilations, sigmoids, seen
        ctx.save_for_backward(given, convolutions, conditions, outputs)
        return skips

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_skips: Tensor) -> tuple[Tensor | None, ...]:
        """From the gradient of the sum to those of what went in."""
        given, convolutions, conditions, outputs = ctx.saved_tensors
        tiles, channels = PositionTiles(grad_skips, ctx.dilations), len(grad_skips)
        grad_x, grad_seen = torch.zeros_like(grad_skips), [torch.zeros_like(each) for each in ctx.seen]
        of_convolutions, of_conditions, of_outputs = (
            torch.zeros_like(weights) for weights in (convolutions, conditions, outputs)
        )
        of_steps = outputs.new_empty(len(ctx.dilations), *grad_skips.shape[:2])
        rows = (2 * channels, channels, 2 * channels, 3 * channels)
        scratch = [grad_skips.new_empty(count, tiles.columns) for count in rows]
        gated = grad_skips.new_ones(channels + 1, tiles.columns)
        through = grad_skips.new_empty(tiles.padded)
        for number in reversed(range(len(ctx.dilations))):
            dilation = ctx.dilations[number]
            through.zero_()
            grad_x *= _ROOT
            for tile, condition_here, of_condition, sigmoid in zip(
                tiles.tiles, ctx.seen, grad_seen, ctx.sigmoids[number], strict=True
            ):
                of_out, of_gated, of_gates, of_stack = (each[:, : tile.columns] for each in scratch)
                residual, skip = tiles.signal(of_out).chunk(2)
                residual.copy_(grad_x[:, :, tile.where])
                skip.copy_(grad_skips[:, :, tile.where])
                torch.mm(outputs[number, :, :-1].T, of_out, out=of_gated)
                (gate, content), z = sigmoid.chunk(2), gated[:, : tile.columns]
                centred = torch.sub(content, 0.5, out=z[:-1])
                torch.mul(centred, of_gated, out=of_gates[:channels])
                torch.mul(gate, of_gated, out=of_gates[channels:])
                torch.ops.aten.sigmoid_backward.grad_input(of_gates, sigmoid, grad_input=of_gates)
                centred.mul_(gate)
                of_outputs[number].addmm_(of_out, z.T)
                of_convolutions[number].addmm_(of_gates, tiles.stack(given[number], tile, dilation).T)
                of_conditions[number].addmm_(of_gates, condition_here.T)
                of_condition.addmm_(conditions[number].T, of_gates)
                torch.mm(convolutions[number, :, :-1].T, of_gates, out=of_stack)
                parts = tiles.signal(of_stack).split(channels)
                for part, place in zip(parts, tiles.seen(through, tile, dilation), strict=True):
                    place += part
            inner = tiles.inner(through)
            of_steps[number] = inner.sum(-1)
            grad_x += inner
        of_outputs[..., :-1] *= 2
        grad_condition = torch.cat([tiles.signal(each) for each in grad_seen], -1)
        of_weights = _doubled(of_convolutions), _doubled(of_conditions), of_outputs
        return None, grad_x, of_steps, grad_condition, *of_weights


def _doubled(weights: Tensor) -> Tensor:
    """Weights (L, 2C, …) whose second half, the content's, is twice as large."""
    gate, content = weights.chunk(2, 1)
    return torch.cat([gate, 2 * content], 1)
