"""A short-time Fourier transform that is a tight frame of finite signals."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

__all__ = ["inverse_tight_stft", "tight_stft"]


def tight_stft(x: Tensor, window_length: int, hop_length: int) -> Tensor:
    r"""The short-time Fourier transform $G$ of the last axis as a tight frame: $G^\top G = I$.

    Frame $m$ is centred on the samples $mH \dots mH + H - 1$ for a hop $H$, and the outermost ones reach
    beyond the signal into zeros: N samples have N / H frames, those of a log-mel spectrogram with (W − H) / 2
    samples of padding. Each frame is multiplied by a sine window of length $W$ and goes through an
    orthonormal FFT. For every sample the window is divided by $\sqrt{\sum_m w_{n - mH}^2}$ over the frames
    that hold it, a constant except near the ends. That makes the frame tight: no sample is lost or counts
    more than another (Daubechies, Grossmann and Meyer, J. Math. Phys. 1986).

    Args:
        x: signal (…, N) with N a multiple of `hop_length`.
        window_length: W, even: samples per frame.
        hop_length: H, which divides W at least twice: samples from frame to frame.

    Returns:
        Complex coefficients (…, N / H, W / 2 + 1), more than N: not every array of them is a transform.

    Raises:
        ValueError: if the window is odd, the hop does not divide it twice, or not the length.

    Example:
        >>> x = torch.randn(2, 64, dtype=torch.float64)
        >>> coefficients = tight_stft(x, window_length=16, hop_length=8)
        >>> coefficients.shape
        torch.Size([2, 8, 9])
        >>> torch.allclose(inverse_tight_stft(coefficients, hop_length=8), x)
        True
    """
    check_window(window_length, hop_length)
    if x.shape[-1] % hop_length:
        raise ValueError(f"the signal's length {x.shape[-1]} is not a multiple of hop_length={hop_length}")
    scaled = x * _tight_scale(x.shape[-1] // hop_length, window_length, hop_length, x)
    frames = F.pad(scaled, padding(window_length, hop_length)).unfold(-1, window_length, hop_length)
    return torch.fft.rfft(frames * _sine_window(window_length, x), norm="ortho")


def inverse_tight_stft(coefficients: Tensor, hop_length: int) -> Tensor:
    r"""The transpose $G^\top$, and inverse, of `tight_stft`.

    Args:
        coefficients: (…, frames, W / 2 + 1); of what is no transform it takes the nearest one.
        hop_length: H, which divides W at least twice.

    Returns:
        The signal (…, frames · H).

    Raises:
        ValueError: if the hop does not divide the window at least twice.
    """
    window_length = 2 * (coefficients.shape[-1] - 1)
    check_window(window_length, hop_length)
    frames = torch.fft.irfft(coefficients, window_length, norm="ortho")
    signal = _overlap_add(frames * _sine_window(window_length, frames), hop_length)
    return signal * _tight_scale(frames.shape[-2], window_length, hop_length, signal)


def check_window(window_length: int, hop_length: int) -> None:
    """Raises a ValueError unless the hop divides the window, of even length, at least twice."""
    if hop_length < 1 or window_length % 2 or window_length % hop_length or window_length < 2 * hop_length:
        raise ValueError(
            f"window_length={window_length} and hop_length={hop_length}: the window must be even, and a "
            "multiple of the hop that is at least twice as long"
        )


def padding(window_length: int, hop_length: int) -> tuple[int, int]:
    """How many samples the first frame reaches beyond the signal, and the last."""
    before = (window_length - hop_length) // 2
    return before, window_length - hop_length - before


def tight_windows(frames: int, window_length: int, hop_length: int, like: Tensor) -> Tensor:
    """The window of each frame (frames, W), 0 beyond the signal, with the device and dtype of a tensor."""
    scale = F.pad(_tight_scale(frames, window_length, hop_length, like), padding(window_length, hop_length))
    return scale.unfold(-1, window_length, hop_length) * _sine_window(window_length, like)


def _sine_window(window_length: int, like: Tensor) -> Tensor:
    angle = torch.arange(window_length, device=like.device, dtype=like.dtype) + 0.5
    return (math.pi / window_length * angle).sin()


def _tight_scale(frames: int, window_length: int, hop_length: int, like: Tensor) -> Tensor:
    """By how much each sample of a signal is to be scaled for a tight frame (frames · H)."""
    energy = _sine_window(window_length, like).square().expand(frames, window_length)
    return _overlap_add(energy, hop_length).rsqrt()


def _overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """The sum of frames (…, frames, W) at their places in a signal (…, frames · H)."""
    parts = rearrange(frames, "... frame (part hop) -> ... part frame hop", hop=hop_length)
    *signals, count, frame_count, _ = parts.shape
    padded = frames.new_zeros(*signals, frame_count + count - 1, hop_length)
    for part in range(count):
        padded[..., part : part + frame_count, :] += parts[..., part, :, :]
    before, after = padding(frames.shape[-1], hop_length)
    signal = rearrange(padded, "... block hop -> ... (block hop)")
    return signal[..., before : signal.shape[-1] - after]
