"""What DiffWave's networks are made of, along the last axis of (batch, channels, 1, positions)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.kept_memory import KeptMemory
from priordiff.models.residual_stack import ResidualStack

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ResidualLayer", "ResidualLayers", "StepEmbedding", "are_plain", "row_conv", "sum_of_skips"]

# What may be read as a matrix in place of being called.
_LINEAR = (nn.Conv2d, nn.Linear)


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


class ResidualLayers(nn.ModuleList):
    """Residual layers, and what their training steps on CPUs keep in memory, from one to the next."""

    def __init__(self, layers: Iterable[ResidualLayer]) -> None:
        super().__init__(layers)
        self.memory = KeptMemory()

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`; between trainings nothing is kept."""
        if not mode:
            self.memory.release()
        return super().train(mode)


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
    layers: ResidualLayers,
    x: Tensor,
    step: Tensor,
    condition: Tensor,
    prior_condition: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """What the layers let through to the output, scaled so that their number does not matter.

    What passes from layer to layer is zero where the mask, broadcastable to it, is. On CPUs, in full
    precision, `ResidualStack` makes the same with its gradients, up to rounding, in less time and memory.
    """
    if mask is None and _suits_stack(layers, x, step, condition):
        return _stacked(layers, x, step, condition, prior_condition) / math.sqrt(len(layers))
    skips = torch.zeros((), device=x.device, dtype=x.dtype)
    for layer in layers:
        x = x if mask is None else x * mask
        x, skip = layer(x, step, condition, prior_condition)
        skips = skips + skip
    return skips / math.sqrt(len(layers))


def are_plain(modules: Iterable[nn.Module]) -> bool:
    """Whether modules do nothing but what their weights say: no hooks, adapters or other weights."""
    return all(map(_is_plain, modules))


def _is_plain(module: nn.Module) -> bool:
    if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
        return False
    return type(module) in _LINEAR or not any(True for _ in module.parameters(recurse=False))


def _suits_stack(layers: ResidualLayers, x: Tensor, step: Tensor, condition: Tensor) -> bool:
    if type(x) is not Tensor or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return False
    if torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return False
    needs_gradients = any(each.requires_grad for each in (x, step, condition, *layers.parameters()))
    return needs_gradients and are_plain(layers.modules())


def _stacked(
    layers: Any, x: Tensor, step: Tensor, condition: Tensor, prior_condition: Tensor | None
) -> Tensor:
    """The sum of the skips, by `ResidualStack`."""
    if prior_condition is not None:
        condition = torch.cat([condition, prior_condition], 1)
    convolutions, conditions, biases = [], [], []
    for layer in layers:
        projections = [layer.condition_projection, layer.prior_projection]
        projections = [projection for projection in projections if projection is not None]
        biases.append(sum((projection.bias for projection in projections), layer.dilated_conv.bias))
        convolutions.append(rearrange(layer.dilated_conv.weight, "out channel 1 tap -> tap channel out"))
        conditions.append(torch.cat([projection.weight.flatten(1).T for projection in projections]))
    steps = torch.stack([layer.step_projection(step) for layer in layers])
    residual_biases, skip_biases = torch.stack(
        [layer.output_projection.bias.unflatten(0, (2, -1)) for layer in layers]
    ).unbind(1)
    changes = torch.cat([steps[:1], steps[1:] + (residual_biases[:-1, None] - steps[:-1]) / math.sqrt(2)])
    skips = ResidualStack.apply(
        layers.memory,
        tuple(layer.dilated_conv.dilation[1] for layer in layers),
        rearrange(x, "b c 1 t -> t b c"),
        changes,
        rearrange(condition, "b c 1 t -> t b c"),
        *map(torch.stack, (convolutions, conditions, biases)),
        torch.stack([layer.output_projection.weight.flatten(1).T for layer in layers]),
    )
    return rearrange(skips + skip_biases.sum(0), "t b c -> b c 1 t")
