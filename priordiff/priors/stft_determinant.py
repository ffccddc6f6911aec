"""The determinant of a gain in the short-time Fourier domain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from priordiff.priors.stft_transform import padding, tight_windows

__all__ = ["stft_log_det"]


def stft_log_det(gain: Tensor, hop_length: int) -> Tensor:
    r"""$\log\det(G^\top\operatorname{diag}(g)\,G)$ with $G$ the transform of `tight_stft`.

    The matrix is a sum of blocks $W \times W$ along its diagonal, one for each frame, a hop apart: a banded
    matrix. Its Cholesky factor is computed from the first sample to the last, a hop at a time, and never
    kept: N samples cost $O(N W^2)$ and, besides the gain's own size, $O(W^2)$ memory. If gradients are
    wanted, autograd keeps some $W^2$ numbers for each frame.

    Args:
        gain: g > 0 (…, frames, W / 2 + 1).
        hop_length: H.

    Returns:
        A number for each signal, (…).

    Raises:
        ValueError: if the gain's range is too large for the precision of its dtype.
    """
    frames, bins = gain.shape[-2:]
    window_length = 2 * (bins - 1)
    before, _ = padding(window_length, hop_length)
    position = torch.arange(window_length, device=gain.device)
    lag = (position[:, None] - position) % window_length
    windows = tight_windows(frames, window_length, hop_length, gain)
    gain_of_frames = rearrange(gain, "... frame bin -> frame (...) bin")
    signals = gain_of_frames.shape[1]
    log_det = gain.new_zeros(signals)
    failures = []
    rest = gain.new_zeros(signals, window_length - hop_length, window_length - hop_length)
    for frame in range(frames):
        sample = frame * hop_length - before + position
        inside = (sample >= 0) & (sample < frames * hop_length)
        # What lies beyond the ends of the signal is made independent of it, with a determinant of 1.
        entering = position >= (window_length - hop_length if frame else 0)
        beyond = (entering & ~inside).to(gain.dtype).diag()
        window = windows[frame]
        impulse_response = torch.fft.irfft(gain_of_frames[frame], window_length)
        block = window[:, None] * impulse_response[:, lag] * window + beyond
        block = block + F.pad(rest, (0, hop_length, 0, hop_length))
        root, failed = torch.linalg.cholesky_ex(block[:, :hop_length, :hop_length])
        coupling = torch.linalg.solve_triangular(root, block[:, :hop_length, hop_length:], upper=False)
        rest = block[:, hop_length:, hop_length:] - coupling.mT @ coupling
        log_det = log_det + _log_det_of_square(root)
        failures.append(failed)
    root, failed = torch.linalg.cholesky_ex(rest)
    if torch.stack([*failures, failed]).any():
        raise ValueError(
            f"the determinant of a gain from {float(gain.min()):g} to {float(gain.max()):g} is beyond the "
            f"precision of {gain.dtype}: compute it in a larger dtype or narrow the range"
        )
    return (log_det + _log_det_of_square(root)).reshape(gain.shape[:-2])


def _log_det_of_square(root: Tensor) -> Tensor:
    """Log-determinant of root @ root.T for triangular roots (signals, n, n)."""
    return 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
