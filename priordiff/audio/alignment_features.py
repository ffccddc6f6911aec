"""What an aligner hears: short frames in which one phoneme can be told from the next."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from priordiff.audio.mel import LogMelSpectrogram

__all__ = ["AlignmentFeatures"]

_SECONDS = 128 / 22050  # a boundary is heard to within half a frame of a vocoder's
_HOPS_PER_WINDOW = 4
_REACH = 3  # frames before and after, from which a slope is taken


class AlignmentFeatures(nn.Module):
    r"""Waveform to mel cepstra and their slopes, in frames of 5.8 ms.

    The cosine transform of log-mel frames under a window of 23 ms, half as long as a vocoder's, so that a
    boundary is not blurred; less its mean over the recording, which takes away much of the speaker and the
    room (cepstral mean normalisation: Atal, JASA 1974); and the slope of each coefficient over seven frames
    (Furui, IEEE Trans. ASSP 1986). The coefficients are nearly uncorrelated, as a Gaussian with a diagonal
    covariance wants them.

    Args:
        sample_rate: in Hz.
        num_cepstra: coefficients, the first of which is loudness.
        n_mels: bands that they are made of.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        ValueError: the sample rate is too low for speech, or there are no coefficients, or more than bands.

    Example:
        >>> features = AlignmentFeatures(sample_rate=22050)
        >>> features.hop_length, features(torch.randn(22050)).shape
        (128, torch.Size([32, 172]))
    """

    basis: Tensor

    def __init__(self, sample_rate: int = 22050, num_cepstra: int = 16, n_mels: int = 40) -> None:
        super().__init__()
        if not sample_rate >= 8000:
            raise ValueError(f"sample_rate={sample_rate}, expected at least 8000 Hz for speech")
        if not 1 <= num_cepstra <= n_mels:
            raise ValueError(f"num_cepstra={num_cepstra} must lie in 1…n_mels={n_mels}")
        self.hop_length = 2 * round(_SECONDS * sample_rate / 2)
        window = _HOPS_PER_WINDOW * self.hop_length
        self.log_mel = LogMelSpectrogram(
            sample_rate,
            # Twice the window: the lowest filters are narrower than the bins of one.
            n_fft=2 * window,
            hop_length=self.hop_length,
            win_length=window,
            n_mels=n_mels,
            f_max=min(8000.0, sample_rate / 2),
        )
        angles = torch.outer(torch.arange(num_cepstra), torch.arange(n_mels) + 0.5) * (math.pi / n_mels)
        self.register_buffer("basis", angles.cos() * math.sqrt(2 / n_mels), persistent=False)

    @torch.no_grad()
    def forward(self, waveform: Tensor) -> Tensor:
        """Waveform (N,) to features (2 · num_cepstra, N // hop_length)."""
        cepstra = self.basis @ self.log_mel(waveform[None])[0]
        cepstra = cepstra - cepstra.mean(dim=1, keepdim=True)
        offsets = torch.arange(-_REACH, _REACH + 1, dtype=cepstra.dtype, device=cepstra.device)
        kernel = offsets / offsets.square().sum()
        padded = F.pad(cepstra[None], (_REACH, _REACH), mode="replicate")[0]
        return torch.cat([cepstra, F.conv1d(padded[:, None], kernel[None, None])[:, 0]])
