"""Errors of fundamental frequency and voicing."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from priordiff._extra import require
from priordiff.audio.metrics._pair import UndefinedMetricError, check_pair, check_waveform

__all__ = ["f0_rmse", "fundamental_frequency", "rmse_of_voiced", "voicing_disagreement", "voicing_error"]


def fundamental_frequency(waveform: Tensor, sample_rate: int, period: float = 0.005) -> np.ndarray:
    """Fundamental frequency in Hz, every 5 ms by default, 0 where the frame is unvoiced.

    WORLD's DIO, refined by StoneMask, between 71 and 800 Hz (Morise et al., "WORLD: a vocoder-based
    high-quality speech synthesis system for real-time applications", 2016), computed by `pyworld`.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        period: seconds between the values.

    Returns:
        (F,), F = ⌊N / (period · sample_rate)⌋ + 1.

    Raises:
        ImportError: `pyworld` is not installed.
        ValueError: the waveform is not one channel, too short, or holds NaN.

    Example:
        >>> import torch
        >>> time = torch.arange(8000) / 16000
        >>> tone = sum(torch.cos(2 * torch.pi * 200 * k * time) / k for k in range(1, 20))
        >>> f0 = fundamental_frequency(tone, 16000)
        >>> round(float(f0[len(f0) // 2]))
        200
    """
    check_waveform(waveform, sample_rate, "waveform")
    pyworld = require("pyworld", "audio")
    samples = waveform.detach().cpu().double().numpy()
    f0, seconds = pyworld.dio(samples, sample_rate, frame_period=1000 * period)
    return pyworld.stonemask(samples, f0, seconds, sample_rate)


def f0_rmse(prediction: Tensor, target: Tensor, sample_rate: int) -> float:
    r"""Root mean square error of the fundamental frequency in Hz, over the frames V voiced in both waveforms.

    $\sqrt{\frac{1}{|V|} \sum_{f \in V} (\hat F_f - F_f)^2}$. What a prediction leaves unvoiced counts in
    `voicing_error` alone: read the two together.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz.

    Raises:
        ImportError: `pyworld` is not installed.
        UndefinedMetricError: no frame is voiced in both, as in a whisper or noise.
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import torch
        >>> time = torch.arange(8000) / 16000
        >>> tone = lambda f: sum(torch.cos(2 * torch.pi * f * k * time) / k for k in range(1, 20))
        >>> round(f0_rmse(tone(230), tone(200), 16000))
        30
    """
    check_pair(prediction, target, sample_rate)
    return rmse_of_voiced(
        fundamental_frequency(prediction, sample_rate), fundamental_frequency(target, sample_rate)
    )


def voicing_error(prediction: Tensor, target: Tensor, sample_rate: int) -> float:
    """Share of the frames, 0 to 1, that are voiced in one waveform and unvoiced in the other.

    The voicing decision error of Nakatani et al. (2008), on the frames of `fundamental_frequency`.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz.

    Raises:
        ImportError: `pyworld` is not installed.
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import torch
        >>> time = torch.arange(8000) / 16000
        >>> tone = sum(torch.cos(2 * torch.pi * 200 * k * time) / k for k in range(1, 20))
        >>> voicing_error(torch.zeros(8000), tone, 16000) > 0.8
        True
    """
    check_pair(prediction, target, sample_rate)
    return voicing_disagreement(
        fundamental_frequency(prediction, sample_rate), fundamental_frequency(target, sample_rate)
    )


def rmse_of_voiced(prediction: np.ndarray, target: np.ndarray) -> float:
    """`f0_rmse` of two fundamental frequencies (F,)."""
    voiced = (prediction > 0) & (target > 0)
    if not voiced.any():
        raise UndefinedMetricError("no frame is voiced in both waveforms: the pitch error is undefined")
    return float(np.sqrt(np.mean((prediction[voiced] - target[voiced]) ** 2)))


def voicing_disagreement(prediction: np.ndarray, target: np.ndarray) -> float:
    """`voicing_error` of two fundamental frequencies (F,)."""
    return float(np.mean((prediction > 0) != (target > 0)))
