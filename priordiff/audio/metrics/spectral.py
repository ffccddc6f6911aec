"""Distances between the magnitude spectra of two waveforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from einops import einsum
from torch import Tensor

from priordiff._extra import require
from priordiff.audio.metrics._pair import check_pair

__all__ = ["LogMel", "cepstral_distances", "log_mel_mae", "mel_cepstral_distortion", "multi_resolution_stft"]

_ORDER = 13  # of the cepstrum; the 0th coefficient is the gain

LogMel = Callable[[Tensor], Tensor]
"""Waveforms (B, N) to natural logarithms of mel magnitudes (B, n_mels, F), as by `LogMelSpectrogram`."""


def log_mel_mae(prediction: Tensor, target: Tensor, sample_rate: int, log_mel: LogMel) -> float:
    r"""Mean absolute difference of the log-mel spectrograms, in nats (1 nat = 8.7 dB).

    $\frac{1}{MF} \sum_{m,f} |\hat X_{mf} - X_{mf}|$ over M bands and F frames.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz.
        log_mel: the transform, waveforms (B, N) to natural log magnitudes (B, M, F).

    Raises:
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import math, torch
        >>> band_pairs = lambda waveform: waveform.abs().log().unflatten(-1, (2, -1))
        >>> speech = torch.rand(6000) + 0.1
        >>> round(log_mel_mae(speech / math.e, speech, 22050, band_pairs), 3)
        1.0
    """
    check_pair(prediction, target, sample_rate)
    return float((log_mel(prediction[None]) - log_mel(target[None])).abs().mean())


def mel_cepstral_distortion(prediction: Tensor, target: Tensor, sample_rate: int, log_mel: LogMel) -> float:
    r"""Distance of the spectral envelopes in dB: mel-cepstral distortion over 13 coefficients.

    $\frac{10}{\ln 10} \frac{1}{F} \sum_f \sqrt{2 \sum_{k=1}^{13} (\hat c_{kf} - c_{kf})^2}$ with the cepstrum
    $c_{kf} = \frac{2}{M} \sum_{m=0}^{M-1} X_{mf} \cos\frac{\pi k (m + 1/2)}{M}$ of the log-mel spectrum X
    (Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993). With this scale
    of c a frame's value is the root mean square difference in dB of the two smoothed envelopes; the gain, c₀,
    does not count. The frames are compared one to one, without time warping.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz.
        log_mel: the transform, waveforms (B, N) to natural log magnitudes (B, M, F), M > 13.

    Raises:
        ValueError: the waveforms differ in length, are too short, or hold NaN; `log_mel` gives too few bands.

    Example:
        >>> import torch
        >>> bands = lambda waveform: waveform.abs().log().unflatten(-1, (20, -1))
        >>> speech = torch.rand(6000) + 0.1
        >>> round(mel_cepstral_distortion(0.1 * speech, speech, 22050, bands), 3)
        0.0
    """
    check_pair(prediction, target, sample_rate)
    return float(cepstral_distances((log_mel(prediction[None]) - log_mel(target[None]))[0]).mean())


def cepstral_distances(difference: Tensor) -> Tensor:
    """What `mel_cepstral_distortion` is the mean of: differences of log-mel frames (M, …) to dB (…)."""
    n_mels = difference.shape[0]
    if n_mels <= _ORDER:
        raise ValueError(f"log_mel gives {n_mels} bands: expected more than {_ORDER}, a band per coefficient")
    quefrency = torch.arange(1, _ORDER + 1, device=difference.device, dtype=difference.dtype)
    band = torch.arange(n_mels, device=difference.device, dtype=difference.dtype) + 0.5
    cosines = torch.cos(math.pi / n_mels * quefrency[:, None] * band)
    cepstrum = 2 / n_mels * einsum(cosines, difference, "k m, m ... -> k ...")
    return 10 / math.log(10) * (2 * cepstrum.square().sum(0)).sqrt()


def multi_resolution_stft(prediction: Tensor, target: Tensor, sample_rate: int) -> float:
    r"""Multi-resolution STFT distance: spectral convergence plus log-magnitude error.

    $\frac{1}{3} \sum_r \left( \frac{\lVert |S_r| - |\hat S_r| \rVert_F}{\lVert |S_r| \rVert_F} +
    \frac{1}{N_r} \lVert \ln |S_r| - \ln |\hat S_r| \rVert_1 \right)$ with FFTs of 512, 1024 and 2048 samples,
    windows of 240, 600 and 1200 and hops of 50, 120 and 240 (Yamamoto et al., "Parallel WaveGAN", ICASSP
    2020, section 2.2), computed by `auraloss`. It has no unit.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz. The resolutions are counted in samples and made for 16 to 24 kHz.

    Raises:
        ImportError: `auraloss` is not installed.
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import torch
        >>> speech = torch.randn(8000)
        >>> multi_resolution_stft(speech, speech, 16000)
        0.0
    """
    check_pair(prediction, target, sample_rate)
    with torch.no_grad():
        return float(_stft_distance()(prediction.float()[None, None], target.float()[None, None]))


@lru_cache
def _stft_distance() -> Any:
    return require("auraloss.freq", "audio").MultiResolutionSTFTLoss(
        fft_sizes=[1024, 2048, 512], hop_sizes=[120, 240, 50], win_lengths=[600, 1200, 240]
    )
