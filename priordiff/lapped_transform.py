"""An orthonormal lapped transform of finite signals."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor

__all__ = ["inverse_mdct", "mdct"]


def mdct(x: Tensor, hop_length: int) -> Tensor:
    r"""The modified discrete cosine transform (MDCT) of the last axis, as an orthonormal change of basis.

    With hop $H$ and the sine window of length $2H$, block $b$ has the coefficients
    $X_{b,k} = \sqrt{2/H}\,\sum_n w_n x_{bH - H/2 + n}\cos[\tfrac{\pi}{H}(n + \tfrac12 - \tfrac H2)(k +
    \tfrac12)]$ (Princen, Johnson and Bradley, ICASSP 1987). It is computed as what it is algebraically:
    neighbouring blocks are rotated into each other around their common boundary (time-domain alias
    cancellation), then every block goes through an orthonormal DCT-IV (Malvar, *Signal Processing with Lapped
    Transforms*, 1992). At the two ends of the signal there is no neighbour, hence no rotation, so that N
    samples give exactly N coefficients and nothing is lost.

    Args:
        x: signal (…, N) with N a multiple of `hop_length`.
        hop_length: H, even: samples per block and coefficients per block.

    Returns:
        Coefficients (…, N / H, H), from low to high frequency; coefficient $k$ is centred on the frequency
        $(k + \tfrac12) / (2H)$ of the sample rate.

    Raises:
        ValueError: if the hop is odd or does not divide the length.

    Example:
        >>> x = torch.randn(2, 64, dtype=torch.float64)
        >>> coefficients = mdct(x, 8)
        >>> torch.allclose(inverse_mdct(coefficients), x)
        True
        >>> torch.allclose(coefficients.square().sum(), x.square().sum())
        True
    """
    check_hop_length(hop_length)
    if x.shape[-1] % hop_length:
        raise ValueError(f"the signal's length {x.shape[-1]} is not a multiple of hop_length={hop_length}")
    blocks = rearrange(x, "... (block sample) -> ... block sample", sample=hop_length)
    return _dct_iv(_rotate_boundaries(blocks, inverse=False))


def inverse_mdct(coefficients: Tensor) -> Tensor:
    """The inverse, and transpose, of `mdct`: coefficients (…, blocks, H) to the signal (…, blocks · H).

    Raises:
        ValueError: if the hop, the length of the last axis, is odd.
    """
    check_hop_length(coefficients.shape[-1])
    blocks = _rotate_boundaries(_dct_iv(coefficients), inverse=True)
    return rearrange(blocks, "... block sample -> ... (block sample)")


def check_hop_length(hop_length: int) -> int:
    """The hop length, if it is one of an MDCT.

    Raises:
        ValueError: if it is not a positive even number.
    """
    if hop_length < 2 or hop_length % 2:
        raise ValueError(f"hop_length={hop_length} must be a positive even number")
    return hop_length


def _rotate_boundaries(blocks: Tensor, inverse: bool) -> Tensor:
    """Rotates each pair of samples that lie mirrored around an inner boundary by the sine window's angle."""
    hop_length = blocks.shape[-1]
    half = hop_length // 2
    distance = torch.arange(half, device=blocks.device, dtype=blocks.dtype) + 0.5
    angle = (math.pi / 4) * (1 - distance / half)
    cosine, sine = angle.cos(), angle.sin()
    if inverse:
        sine = -sine
    first, second = blocks[..., :half], blocks[..., half:]
    before, after = second[..., :-1, :].flip(-1), first[..., 1:, :]
    new_before = cosine * before - sine * after
    new_after = cosine * after + sine * before
    first = torch.cat([first[..., :1, :], new_after], dim=-2)
    second = torch.cat([new_before.flip(-1), second[..., -1:, :]], dim=-2)
    return torch.cat([first, second], dim=-1)


def _dct_iv(x: Tensor) -> Tensor:
    """Orthonormal DCT-IV of the last axis, its own inverse, by one complex FFT of half the length."""
    length = x.shape[-1]
    index = torch.arange(length // 2, device=x.device, dtype=x.dtype)
    angle = -math.pi / length * (index + 0.125)
    twiddle = torch.complex(angle.cos(), angle.sin())
    packed = torch.complex(x[..., 0::2].contiguous(), x[..., 1::2].flip(-1).contiguous())
    spectrum = torch.fft.fft(packed * twiddle, norm="ortho") * twiddle
    return torch.stack([spectrum.real, -spectrum.imag.flip(-1)], dim=-1).flatten(-2)
