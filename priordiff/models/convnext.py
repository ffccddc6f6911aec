"""ConvNeXt over frames: the residual block of today's convolutional vocoders."""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = ["ConvNeXtBlock", "check_kernel_size"]


def check_kernel_size(kernel_size: int) -> None:
    """Checks that a convolution sees as many frames before as after.

    Raises:
        ValueError: unless the size is positive and odd.
    """
    if kernel_size < 1 or not kernel_size % 2:
        raise ValueError(f"kernel_size={kernel_size} must be a positive odd number")


class ConvNeXtBlock(nn.Module):
    r"""$x + W_2\,\mathrm{GELU}(W_1\,\mathrm{norm}(\text{depthwise}(x)))$, frames first and channels last.

    The block of ConvNeXt (Liu et al., CVPR 2022) in one dimension, as Vocos (Siuzdak, ICLR 2024) has it. A
    condition of each item, such as the diffusion step, scales and shifts what comes out of the norm, as in
    DiT (Peebles and Xie, ICCV 2023). The last layer begins at zero, so that a stack of blocks begins as the
    identity.

    Args:
        channels: width.
        kernel_size: frames that the depthwise convolution sees, odd.
        expansion: width of the hidden layer, in multiples of `channels`.
        condition_channels: width of the condition; None for none.

    Example:
        >>> import torch
        >>> block = ConvNeXtBlock(8, kernel_size=7, expansion=3, condition_channels=4)
        >>> block(torch.randn(2, 10, 8), torch.randn(2, 4)).shape
        torch.Size([2, 10, 8])
    """

    def __init__(
        self, channels: int, kernel_size: int, expansion: int, condition_channels: int | None = None
    ) -> None:
        super().__init__()
        # Of one row, which lets the channels stay last: what goes in and comes out is not copied.
        padding = (0, kernel_size // 2)
        self.depthwise = nn.Conv2d(channels, channels, (1, kernel_size), padding=padding, groups=channels)
        self.norm = nn.LayerNorm(channels, elementwise_affine=condition_channels is None)
        self.modulation = None if condition_channels is None else nn.Linear(condition_channels, 2 * channels)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)
        for layer in (self.contract, self.modulation):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Frames (batch, frames, channels), under a condition (batch, condition_channels) if it has one."""
        y = rearrange(self.depthwise(rearrange(x, "b f c -> b c 1 f")), "b c 1 f -> b f c")
        y = self.norm(y)
        if self.modulation is not None:
            scale, shift = self.modulation(condition)[:, None].chunk(2, dim=-1)
            y = y * (1 + scale) + shift
        return x + self.contract(F.gelu(self.expand(y)))
