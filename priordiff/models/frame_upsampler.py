"""Mel frames to as many positions as samples or blocks of samples."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = ["FrameUpsampler"]


class FrameUpsampler(nn.Module):
    """Frames (batch, bands, frames) to positions (batch, bands, 1, frames · stride), learned.

    Two transposed convolutions over bands and time, of which each multiplies the positions, as WaveNet's
    vocoders have them.

    Args:
        stride: positions of a frame.

    Example:
        >>> FrameUpsampler(256)(torch.randn(2, 80, 5)).shape
        torch.Size([2, 80, 1, 1280])
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        second = next(s for s in range(math.isqrt(stride), 0, -1) if stride % s == 0)
        self.strides = (stride // second, second)
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(1, 1, (3, 2 * s), stride=(1, s), padding=(1, s // 2)) for s in self.strides
        )

    def forward(self, frames: Tensor) -> Tensor:
        """From (batch, bands, frames)."""
        for conv, stride in zip(self.convs, self.strides, strict=True):
            assert isinstance(conv, nn.ConvTranspose2d)
            frames = F.leaky_relu(_transposed(frames, conv, stride), 0.4)
        return rearrange(frames, "b c t -> b c 1 t").contiguous(memory_format=torch.channels_last)


def _transposed(frames: Tensor, conv: nn.ConvTranspose2d, stride: int) -> Tensor:
    """The transposed convolution of (batch, bands, frames) by a kernel (3, 2 · stride), as a matrix product.

    Of the positions between two frames each depends on both, in its own band and its neighbours: six numbers,
    whatever the stride. That is much faster than libraries are, which prepare for any kernel.
    """
    seen = F.pad(frames, (1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 2, 1)
    # Turned round: the later frame has the kernel's first half, the band above its last row.
    matrix = conv.weight[0, 0].flip(0).unflatten(1, (2, stride)).flip(1).flatten(0, 1)
    between = (seen.flatten(-2) @ matrix + conv.bias).flatten(-2)
    return between.narrow(-1, stride // 2, frames.shape[-1] * stride)
