"""What DiffWave's networks are made of, along the last axis of (batch, channels, 1, positions)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ResidualLayer", "StepEmbedding", "row_conv", "sum_of_skips"]


class StepEmbedding(nn.Module):
    """Sinusoidal embedding of the diffusion step through two linear layers (DiffWave, section 3.1)."""

    def __init__(self, dim: int = 128, hidden_dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.projection1 = nn.Linear(dim, hidden_dim)
        self.projection2 = nn.Linear(hidden_dim, hidden_dim)

    def forward(self, steps: Tensor, dtype: torch.dtype) -> Tensor:
        """Steps (batch,) to (batch, hidden_dim); a fractional step lies between its neighbours."""
        fraction = (steps - steps.floor())[:, None]
        embedding = torch.lerp(self._sinusoids(steps.floor()), self._sinusoids(steps.ceil()), fraction)
        return F.silu(self.projection2(F.silu(self.projection1(embedding.to(dtype)))))

    def _sinusoids(self, steps: Tensor) -> Tensor:
        # In this order of operations: at 10⁴ radians a step, another rounding would be another embedding.
        half = self.dim // 2
        angles = steps[:, None] * 10.0 ** (torch.arange(half, device=steps.device) * 4.0 / (half - 1))
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class ResidualLayer(nn.Module):
    """A gated dilated convolution with a residual and a skip output."""

    def __init__(
        self, channels: int, condition_channels: int, has_prior_conditioner: bool, dilation: int
    ) -> None:
        super().__init__()
        self.step_projection = nn.Linear(512, channels)
        self.dilated_conv = row_conv(channels, 2 * channels, 3, dilation)
        self.condition_projection = row_conv(condition_channels, 2 * channels, 1)
        self.prior_projection = row_conv(1, 2 * channels, 1) if has_prior_conditioner else None
        self.output_projection = row_conv(channels, 2 * channels, 1)

    def forward(
        self, x: Tensor, step: Tensor, condition: Tensor, prior_condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        y = x + self.step_projection(step)[:, :, None, None]
        y = self.dilated_conv(y) + self.condition_projection(condition)
        if self.prior_projection is not None:
            y = y + self.prior_projection(prior_condition)
        gate, content = y.chunk(2, dim=1)
        residual, skip = self.output_projection(gate.sigmoid() * content.tanh()).chunk(2, dim=1)
        return (x + residual) / math.sqrt(2), skip


def row_conv(in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1) -> nn.Conv2d:
    """A convolution along the last axis of (batch, channels, 1, positions), with He's initialisation."""
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        (1, kernel_size),
        dilation=(1, dilation),
        padding=(0, dilation * (kernel_size // 2)),
    )
    nn.init.kaiming_normal_(conv.weight)
    return conv


def sum_of_skips(
    layers: nn.ModuleList,
    x: Tensor,
    step: Tensor,
    condition: Tensor,
    prior_condition: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """What the layers let through to the output, scaled so that their number does not matter.

    What passes from layer to layer is zero where the mask, broadcastable to it, is.
    """
    skips = torch.zeros((), device=x.device, dtype=x.dtype)
    for layer in layers:
        x = x if mask is None else x * mask
        x, skip = layer(x, step, condition, prior_condition)
        skips = skips + skip
    return skips / math.sqrt(len(layers))
