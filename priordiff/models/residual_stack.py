r"""DiffWave's residual layers as one function of autograd, in matrix products over tiles that caches hold.

What a layer is given is $y$; with the condition $u$, each layer computes, for every position,

$$(g, c) = \sum_k y_k A_k + u B + b, \qquad z = \sigma(g) \tanh(c), \qquad
y \leftarrow (y + z R)/\sqrt 2 + \Delta,$$

where $y_k$ is $y$ at the position that a tap of the convolution sees, and $\Delta$ what depends on the step.
The sum of all $z S$ is what comes out. One sigmoid serves both halves, as $\tanh c = 1 - 2\sigma(-2c)$. Only
$y$ and the gates $\sigma(g)$ and $\tanh(c)$ are kept for the way back.

Positions are rows: what a tap sees is a piece of memory as it is, and matrix products add to where their
results belong.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from priordiff.models.kept_memory import KeptMemory
from priordiff.models.position_tiles import PositionTiles

__all__ = ["ResidualStack"]

_ROOT = math.sqrt(0.5)
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class ResidualStack(torch.autograd.Function):
    """The sum of the skips (length, batch, C) of L layers, without the skips' biases.

    The arguments of `apply` are the memory of what is kept; the layers' dilations; x (length, batch, C); what
    is added to what each layer is given (L, batch, C); the condition (length, batch, M); and, stacked over
    the layers, the weights of the convolutions (L, 3, C, 2C), those of the conditions (L, M, 2C), the sum of
    the biases of both (L, 2C), and the weights of the residuals and skips (L, C, 2C).
    """

    @staticmethod
    def forward(
        ctx: Any,
        memory: KeptMemory,
        dilations: tuple[int, ...],
        x: Tensor,
        changes: Tensor,
        condition: Tensor,
        convolutions: Tensor,
        conditions: Tensor,
        biases: Tensor,
        outputs: Tensor,
    ) -> Tensor:
        """The sum; `ctx` keeps what the way back needs."""
        (length, batch, channels), layers = x.shape, len(dilations)
        tiles = PositionTiles(batch, length, dilations)
        condition = torch.cat([condition, condition.new_ones(length, batch, 1)], -1).flatten(0, 1)
        conditions = torch.cat([conditions, biases[:, None]], 1)
        # What goes into the sigmoids is g and -2c; a residual counts by the root of a half.
        one = x.new_ones(())
        halves = torch.cat([one.expand(channels), -2 * one.expand(channels)])
        to_gates, of_u = convolutions * halves, conditions * halves
        outputs = outputs * torch.cat([_ROOT * one.expand(channels), one.expand(channels)])
        given, gates = memory.empty(
            x.dtype, (layers, tiles.padded_rows, channels), (layers, tiles.rows, 2 * channels)
        )
        tiles.in_silence(given)
        torch.add(x, changes[0], out=tiles.inner(given[0]).view_as(x))
        skips, gated = x.new_zeros(tiles.rows, channels), x.new_empty(tiles.largest, channels)
        u_tiles, skip_tiles = tiles.cut(condition), tiles.cut(skips)
        for number, dilation in enumerate(dilations):
            taps, (to_residual, to_skip) = to_gates[number].unbind(), outputs[number].chunk(2, -1)
            seen = map(tiles.cut, tiles.seen(given[number], dilation))
            following = (
                tiles.cut(tiles.inner(given[number + 1])) if number + 1 < layers else (None,) * len(u_tiles)
            )
            for both, u, *ys, skip, following_y in zip(
                tiles.cut(gates[number]), u_tiles, *seen, skip_tiles, following, strict=True
            ):
                torch.mm(u, of_u[number], out=both)
                for y, tap in zip(ys, taps, strict=True):
                    both.addmm_(y, tap)
                z = _activate(both, gated[: len(both)], one)
                skip.addmm_(z, to_skip)
                if following_y is not None:
                    torch.add(
                        changes[number + 1], tiles.items(ys[1]), alpha=_ROOT, out=tiles.items(following_y)
                    )
                    following_y.addmm_(z, to_residual)
        ctx.dilations = dilations
        ctx.save_for_backward(given, gates, condition, convolutions, conditions, outputs)
        return skips.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_skips: Tensor) -> tuple[Tensor | None, ...]:
        """From the gradient of the sum to those of what went in."""
        given, gates, condition, convolutions, conditions, outputs = ctx.saved_tensors
        (length, batch, channels), layers = of_skips.shape, len(given)
        tiles = PositionTiles(batch, length, ctx.dilations)
        of_convolutions, of_conditions, of_outputs = map(
            torch.zeros_like, (convolutions, conditions, outputs)
        )
        of_changes = of_skips.new_empty(layers, batch, channels)
        of_condition = of_skips.new_zeros(tiles.rows, condition.shape[-1] - 1)
        # The gradients of what a layer is given, and of what the next one is; beside them that of the skips.
        before, after = of_skips.new_zeros(2, tiles.padded_rows, 2 * channels)
        for each in (before, after):
            tiles.inner(each)[:, channels:] = of_skips.flatten(0, 1)
        whole_of_both = of_skips.new_empty(tiles.largest, 2 * channels)
        whole_of_z, whole_z = of_skips.new_empty(2, tiles.largest, channels)
        u_tiles, of_u_tiles = tiles.cut(condition), tiles.cut(of_condition)
        back_through_taps, back_to_u, back_to_z = (
            weights.mT.contiguous() for weights in (convolutions, conditions[:, :-1], outputs)
        )
        for number in reversed(range(layers)):
            of_given = before[:, :channels]
            torch.mul(after[:, :channels], _ROOT, out=of_given)
            taps, of_taps = back_through_taps[number].unbind(), of_convolutions[number].unbind()
            seen, of_seen = (
                zip(*map(tiles.cut, tiles.seen(each, ctx.dilations[number])), strict=True)
                for each in (given[number], of_given)
            )
            for both, of_outs, u, of_u, ys, of_ys in zip(
                tiles.cut(gates[number]),
                tiles.cut(tiles.inner(after)),
                u_tiles,
                of_u_tiles,
                seen,
                of_seen,
                strict=True,
            ):
                of_both, of_z, z = (each[: len(both)] for each in (whole_of_both, whole_of_z, whole_z))
                torch.mm(of_outs, back_to_z[number], out=of_z)
                _activate_backward(of_z, both, of_both, z)
                of_outputs[number].addmm_(z.T, of_outs)
                of_conditions[number].addmm_(u.T, of_both)
                of_u.addmm_(of_both, back_to_u[number])
                for y, of_y, tap, of_tap in zip(ys, of_ys, taps, of_taps, strict=True):
                    of_tap.addmm_(y.T, of_both)
                    of_y.addmm_(of_both, tap)
            torch.sum(tiles.items(tiles.inner(of_given)), 0, out=of_changes[number])
            before, after = after, before
        of_outputs[..., :channels] *= _ROOT
        return (
            None,
            None,
            tiles.items(tiles.inner(after[:, :channels])),
            of_changes,
            tiles.items(of_condition),
            of_convolutions,
            of_conditions[:, :-1],
            of_conditions[:, -1],
            of_outputs,
        )


def _activate(both: Tensor, z: Tensor, one: Tensor) -> Tensor:
    """From g and -2c, both gates, which take their place, and z."""
    gate, content = both.sigmoid_().chunk(2, -1)
    torch.sub(one, content, alpha=2, out=content)
    return torch.mul(gate, content, out=z)


def _activate_backward(of_z: Tensor, both: Tensor, of_both: Tensor, z: Tensor) -> None:
    """From the gradient of z and both gates to the gradients of g and c, and z again."""
    (gate, content), (of_gate, of_content) = both.chunk(2, -1), of_both.chunk(2, -1)
    _sigmoid_backward(torch.mul(content, of_z, out=z), gate, grad_input=of_gate)
    _tanh_backward(torch.mul(gate, of_z, out=z), content, grad_input=of_content)
    torch.mul(gate, content, out=z)
