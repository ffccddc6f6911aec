r"""DiffWave's weights as the matrices by which tiles are multiplied.

Two changes of variables save passes over the data. With $x_l = 2^{-l/2} v_l + k_l$, the residual
$x_{l+1} = (x_l + W z + b)/\sqrt 2$ becomes $v_{l+1} = v_l + 2^{l/2} W z$, and the constants $k_l$ go into the
biases. With $\tanh c = 2\sigma(2c) - 1$, one sigmoid serves both halves of the gate:
$\sigma(g)\tanh(c) = 2\,\sigma(g)(\sigma(2c) - \frac12)$.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["LayerMatrices", "OuterMatrices", "layer_matrices", "outer_matrices"]


class LayerMatrices(NamedTuple):
    r"""A residual layer, for C channels.

    Attributes:
        dilation: $d$, in positions.
        lag: positions by which what the layer is given is behind the network's input.
        convolution: (2C, 3C), of the positions $d$ before, here, and $d$ after; the gate's half comes first.
        condition: (2C, channels of the condition + 1); the last column is the bias.
        output: (2C, C): the residual's half, then the skip's.
        scale: of $v$ in $x = \text{scale} \cdot v + \text{shift}$.
        shift: (C,).
        step_projection: what of the step's embedding is added to $x$.
    """

    dilation: int
    lag: int
    convolution: Tensor
    condition: Tensor
    output: Tensor
    scale: float
    shift: Tensor
    step_projection: nn.Linear

    @property
    def lag_behind(self) -> int:
        """Positions by which what the layer answers is behind the network's input."""
        return self.lag + self.dilation


class OuterMatrices(NamedTuple):
    """What comes before the layers, and what makes the prediction of the sum of their skips.

    Each is a matrix and a bias that is a column.
    """

    first: tuple[Tensor, Tensor]
    middle: tuple[Tensor, Tensor]
    last: tuple[Tensor, Tensor]


def layer_matrices(model: Any) -> list[LayerMatrices]:
    """The layers of a `DiffWave`."""
    channels = model.config.residual_channels
    layers, lag = [], 0
    # Weights are multiplied by each other at least in float32.
    shift = torch.zeros(channels, device=model.device, dtype=torch.promote_types(model.dtype, torch.float32))
    # The gate's half, then the content's, whose hyperbolic tangent is a sigmoid of the double.
    doubled = torch.cat([torch.ones_like(shift), torch.full_like(shift, 2)])[:, None]
    for number, layer in enumerate(model.layers):
        scale = 2 ** (-number / 2)
        conditions = [
            each for each in (layer.condition_projection, layer.prior_projection) if each is not None
        ]
        bias = sum((each.bias for each in conditions), layer.dilated_conv.bias)
        condition = torch.cat([*(each.weight.flatten(1) for each in conditions), bias[:, None]], 1)
        residual, skip = (2 * layer.output_projection.weight.flatten(1).to(shift.dtype)).chunk(2)
        layers.append(
            LayerMatrices(
                dilation=layer.dilated_conv.dilation[1],
                lag=lag,
                convolution=doubled * scale * layer.dilated_conv.weight[:, :, 0].transpose(1, 2).flatten(1),
                condition=doubled * condition,
                output=torch.cat([residual / scale, skip]),
                scale=scale,
                shift=shift,
                step_projection=layer.step_projection,
            )
        )
        lag = layers[-1].lag_behind
        shift = (shift + layer.output_projection.bias[:channels]) / math.sqrt(2)
    return layers


def outer_matrices(model: Any) -> OuterMatrices:
    """What surrounds the layers of a `DiffWave`; the biases of the skips are in that of the middle."""
    (skip, bias), projections = _of(model.skip_projection), (model.input_projection, model.output_projection)
    skip = skip / math.sqrt(len(model.layers))
    constant = sum(layer.output_projection.bias.chunk(2)[1] for layer in model.layers)
    middle = skip, bias + skip @ constant[:, None]
    return OuterMatrices(_of(projections[0]), middle, _of(projections[1]))


def _of(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Matrix and bias of a convolution of single positions."""
    assert convolution.bias is not None
    return convolution.weight.flatten(1), convolution.bias[:, None]
