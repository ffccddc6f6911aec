"""ConvNeXt over frames and images: the residual block of today's convolutional networks."""

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
    r"""$x + W_2\,\mathrm{GELU}(W_1\,\mathrm{norm}(\text{depthwise}(x)))$, channels last.

    The block of ConvNeXt (Liu et al., CVPR 2022), for images, or in one dimension for frames, as Vocos
    (Siuzdak, ICLR 2024) has it. A condition of each item, such as the diffusion step, scales and shifts what
    comes out of the norm, as in DiT (Peebles and Xie, ICCV 2023). The last layer begins at zero, so that a
    stack of blocks begins as the identity.

    Args:
        channels: width.
        kernel_size: frames that the depthwise convolution sees, odd; rows and columns of an image.
        expansion: width of the hidden layer, in multiples of `channels`.
        condition_channels: width of the condition; None for none.
        dropout: share of the hidden layer's channels that is left out of each item in training.

    Example:
        >>> import torch
        >>> block = ConvNeXtBlock(8, kernel_size=7, expansion=3, condition_channels=4)
        >>> block(torch.randn(2, 10, 8), torch.randn(2, 4)).shape
        torch.Size([2, 10, 8])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int | tuple[int, int],
        expansion: int,
        condition_channels: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        # Frames are an image of one row, which lets the channels stay last: nothing is copied.
        rows, columns = (1, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (rows // 2, columns // 2)
        self.depthwise = nn.Conv2d(channels, channels, (rows, columns), padding=padding, groups=channels)
        self.norm = nn.LayerNorm(channels, elementwise_affine=condition_channels is None)
        self.modulation = None if condition_channels is None else nn.Linear(condition_channels, 2 * channels)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)
        self.dropout = dropout
        for layer in (self.contract, self.modulation):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Frames (batch, frames, channels) or images (batch, height, width, channels).

        Args:
            x: what goes in, and comes out changed.
            condition: (batch, condition_channels), if the block has one.
        """
        y = self._depthwise(x if x.dim() == 4 else x[:, None]).reshape(x.shape)
        y = self.norm(y)
        if self.modulation is not None:
            modulation = self.modulation(condition)
            modulation = modulation.reshape(len(modulation), *[1] * (x.dim() - 2), -1)
            scale, shift = modulation.chunk(2, dim=-1)
            y = y * (1 + scale) + shift
        hidden = F.gelu(self.expand(y))
        if self.training and self.dropout:
            # Whole channels: places say much the same as their neighbours, and would stand in for each other.
            kept = hidden.new_ones(len(x), *[1] * (x.dim() - 2), hidden.shape[-1])
            hidden = hidden * F.dropout(kept, self.dropout)
        return x + self.contract(hidden)

    def _depthwise(self, x: Tensor) -> Tensor:
        return rearrange(self.depthwise(rearrange(x, "b h w c -> b c h w")), "b c h w -> b h w c")
