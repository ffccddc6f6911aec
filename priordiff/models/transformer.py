"""The feed-forward transformer of FastSpeech."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.convnext import check_kernel_size
from priordiff.models.frames import check_probabilities, check_sizes

__all__ = ["FeedForwardTransformer", "sinusoidal_positions"]


def sinusoidal_positions(positions: Tensor, channels: int) -> Tensor:
    r"""The positional encoding of Vaswani et al. (2017): (…, channels), sines and cosines in halves.

    $\sin(p\,\omega_k)$ and $\cos(p\,\omega_k)$ with $\omega_k = 10^{-4 k / (K - 1)}$ for $K$ = channels / 2
    frequencies.
    """
    half = channels // 2
    frequencies = torch.exp(
        torch.arange(half, device=positions.device) * (-math.log(10_000) / max(1, half - 1))
    )
    angles = positions[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class FeedForwardTransformer(nn.Module):
    """Blocks of self-attention and convolution over sequences (FastSpeech, Ren et al., NeurIPS 2019, 3.1).

    Args:
        channels: width, even, and a multiple of `heads`.
        layers: number of blocks.
        heads: of the attention.
        filter_channels: width between the two convolutions of a block.
        kernel_size: of the first of them, odd.
        dropout: probability.

    Raises:
        ValueError: if the sizes do not fit.
    """

    def __init__(
        self, channels: int, layers: int, heads: int, filter_channels: int, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, layers=layers, heads=heads, filter_channels=filter_channels)
        check_probabilities(dropout=dropout)
        if channels % 2 or channels % heads:
            raise ValueError(f"channels={channels} must be even and a multiple of heads={heads}")
        check_kernel_size(kernel_size)
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = dropout
        self.blocks = nn.ModuleList(
            _Block(channels, heads, filter_channels, kernel_size, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, mask: Tensor, start: Tensor | None = None) -> Tensor:
        """Sequences (batch, length, channels) to such, zero in the padding.

        Args:
            x: sequences.
            mask: True where an element is no padding (batch, length).
            start: position of the first element of each sequence (batch,), if it is a window of a longer one.
        """
        positions = torch.arange(x.shape[1], device=x.device)
        if start is not None:
            positions = positions + start[:, None]
        encoding = sinusoidal_positions(positions, x.shape[2]).to(x.dtype)
        x = F.dropout(x + self.scale * encoding, self.dropout, self.training)
        kept = mask[..., None].to(x.dtype)
        x = x * kept
        for block in self.blocks:
            x = block(x, mask) * kept
        return self.norm(x) * kept


class _Block(nn.Module):
    def __init__(
        self, channels: int, heads: int, filter_channels: int, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(channels)
        self.queries_keys_values = nn.Linear(channels, 3 * channels)
        self.attention_output = nn.Linear(channels, channels)
        self.convolution_norm = nn.LayerNorm(channels)
        self.widening = nn.Conv1d(channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.narrowing = nn.Conv1d(filter_channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self._drop(self._attend(self.attention_norm(x), mask))
        y = self.convolution_norm(x) * mask[..., None].to(x.dtype)
        y = F.gelu(self.widening(rearrange(y, "b l c -> b c l")))
        y = rearrange(self.narrowing(self._drop(y)), "b c l -> b l c")
        return x + self._drop(y)

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        queries, keys, values = rearrange(
            self.queries_keys_values(x), "b l (three h c) -> three b h l c", three=3, h=self.heads
        )
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask[:, None, None])
        return self.attention_output(rearrange(attended, "b h l c -> b l (h c)"))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)
