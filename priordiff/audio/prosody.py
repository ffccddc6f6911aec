"""Pitch and loudness of phonemes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from priordiff.audio.alignment import Alignment
from priordiff.audio.metrics.pitch import fundamental_frequency

__all__ = ["phoneme_energy", "phoneme_pitch"]

_PERIOD = 0.005  # seconds between the values of fundamental_frequency


def phoneme_pitch(waveform: Tensor, sample_rate: int, alignment: Alignment) -> Tensor:
    r"""Pitch of each phoneme: the mean of $\log F_0$, with $F_0$ in Hz, over its voiced moments.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        alignment: of the recording.

    Returns:
        float32 (L,); NaN for a phoneme without a voiced moment.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        ValueError: the waveform is not one channel, too short, or holds NaN.

    Example:
        >>> time = torch.arange(8000) / 16000
        >>> tone = sum(torch.cos(2 * torch.pi * 200 * k * time) / k for k in range(1, 20))
        >>> pitch = phoneme_pitch(tone, 16000, Alignment(("a", "b"), (0.0, 0.25), 0.5))
        >>> pitch.exp().round().tolist()
        [200.0, 200.0]
    """
    f0 = fundamental_frequency(waveform, sample_rate)
    moments = np.arange(len(f0)) * _PERIOD
    edges = np.searchsorted(moments, [*alignment.starts, alignment.end])
    means = []
    for first, last in pairwise(edges):
        voiced = f0[first:last][f0[first:last] > 0]
        means.append(np.log(voiced).mean() if voiced.size else np.nan)
    return torch.tensor(means, dtype=torch.float32)


def phoneme_energy(log_mel: Tensor, durations: Tensor) -> Tensor:
    """Loudness of each phoneme: the mean of its log-mel values.

    Args:
        log_mel: (n_mels, frames).
        durations: of the phonemes in frames, int (L,), of sum frames.

    Returns:
        float32 (L,); NaN for a phoneme without frames.

    Raises:
        ValueError: if the durations do not add up to the frames.

    Example:
        >>> phoneme_energy(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1, 2])).tolist()
        [1.0, 2.5]
    """
    if int(durations.sum()) != log_mel.shape[-1]:
        raise ValueError(
            f"durations add up to {int(durations.sum())} frames, log_mel has {log_mel.shape[-1]}: expected "
            "as many"
        )
    frames = log_mel.mean(dim=0)
    owners = torch.repeat_interleave(torch.arange(len(durations), device=frames.device), durations)
    sums = torch.zeros(len(durations), device=frames.device).index_add(0, owners, frames.float())
    return sums / durations
