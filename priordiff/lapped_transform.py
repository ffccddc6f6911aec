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
    rotated = _rotate_boundaries(x, hop_length, inverse=False)
    return _dct_iv(rearrange(rotated, "... (block sample) -> ... block sample", sample=hop_length))


def inverse_mdct(coefficients: Tensor) -> Tensor:
    """The inverse, and transpose, of `mdct`: coefficients (…, blocks, H) to the signal (…, blocks · H).

    Raises:
        ValueError: if the hop, the length of the last axis, is odd.
    """
    hop_length = check_hop_length(coefficients.shape[-1])
    rotated = rearrange(_dct_iv(coefficients), "... block sample -> ... (block sample)")
    return _rotate_boundaries(rotated, hop_length, inverse=True)


def check_hop_length(hop_length: int) -> int:
    """The hop length, if it is one of an MDCT.

    Raises:
        ValueError: if it is not a positive even number.
    """
    if hop_length < 2 or hop_length % 2:
        raise ValueError(f"hop_length={hop_length} must be a positive even number")
    return hop_length


def _rotate_boundaries(x: Tensor, hop_length: int, inverse: bool) -> Tensor:
    """Rotates each pair of samples that lie mirrored around an inner boundary by the sine window's angle."""
    if x.shape[-1] <= hop_length:
        return x
    half = hop_length // 2
    # Of each piece around a boundary the samples before it have negative distances, and sines.
    distance = torch.arange(hop_length, device=x.device, dtype=x.dtype) + (0.5 - half)
    angle = (math.pi / 4) * (distance.sgn() - distance / half)
    sine = -angle.sin() if inverse else angle.sin()
    pieces = rearrange(x[..., half:-half], "... (boundary sample) -> ... boundary sample", sample=hop_length)
    rotated = torch.addcmul(angle.cos() * pieces, sine, pieces.flip(-1))
    return torch.cat([x[..., :half], rotated.flatten(-2), x[..., -half:]], dim=-1)


def _dct_iv(x: Tensor) -> Tensor:
    """Orthonormal DCT-IV of the last axis, its own inverse, by one complex FFT of half the length."""
    length = x.shape[-1]
    index = torch.arange(length // 2, device=x.device, dtype=x.dtype)
    angle = -math.pi / length * (index + 0.125)
    twiddle = torch.complex(angle.cos(), angle.sin())
    packed = torch.complex(x[..., 0::2].contiguous(), x[..., 1::2].flip(-1).contiguous())
    spectrum = torch.fft.fft(packed * twiddle, norm="ortho") * twiddle
    return torch.stack([spectrum.real, -spectrum.imag.flip(-1)], dim=-1).flatten(-2)
