"""Noise shaped by the spectral envelope of the mel: the prior of SpecGrad."""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor

from priordiff.audio.mel import mel_filter_bank
from priordiff.estimators.base import PriorEstimator
from priordiff.priors import StftPrior
from priordiff.priors.stft_transform import check_window

__all__ = ["SpecGradEstimator"]

# The magnitude of a complex Gaussian is on average this much of its root mean square.
_MEAN_MAGNITUDE = math.sqrt(math.pi) / 2


class SpecGradEstimator(PriorEstimator):
    r"""Log-mel frames to a `StftPrior` whose gain is the spectral envelope of each frame.

    The prior of SpecGrad (Koizumi et al., Interspeech 2022, section 3). With the pseudo-inverse $M^+$ of the
    mel filters, the magnitudes of a frame are $|X| = M^+\exp(\text{log-mel})$, and their envelope is what a
    low-pass lifter leaves of the cepstrum, with the quefrencies below its order $r$:

    $$g = \exp F\,\mathbf{1}_{|q| < r}\,F^{-1} \log\max\left(\frac{2\,|X|}{\sqrt\pi\,\lVert w\rVert},\
    \text{floor}\right).$$

    The norm of the mel's Hann window $w$ and the mean magnitude $\sqrt\pi / 2$ of Gaussian noise give $g$ the
    units of the waveform: noise that is drawn from the prior has about the mel that it was made for.
    Frequencies beyond the centres of the outermost bands have the magnitudes there. $g$ is a filter of zero
    phase, where the paper's has minimum phase, and clamped below where the paper's is raised by a constant.
    Nothing has to be fitted.

    Use it with `model_space="white"`: the entries of Σ spread over many decades.

    Args:
        sample_rate: samples per second; this and the rest up to `f_max` describe the log-mel, as in
            `priordiff.audio.LogMelSpectrogram`.
        n_fft: length of the Fourier transform in samples, also that of the prior's frames.
        hop_length: samples per mel frame, a divisor of `n_fft`.
        win_length: length of the Hann window in samples.
        n_mels: number of mel bands.
        f_min: lower edge of the lowest band in Hz.
        f_max: upper edge of the highest band in Hz.
        lifter_order: r, number of quefrencies kept; the paper's is 24.
        floor: smallest gain; the paper raises all gains by 0.01.

    Raises:
        ValueError: if a value is not positive, or the mel's parameters do not fit each other.
        ImportError: if the extra `audio` is not installed.

    Example:
        >>> estimator = SpecGradEstimator()
        >>> estimator(torch.randn(2, 80, 10) - 5).sample((2, 1, 2560)).shape
        torch.Size([2, 1, 2560])
    """

    inverse_filters: Tensor

    @register_to_config
    def __init__(
        self,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        win_length: int = 1024,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float = 8000.0,
        lifter_order: int = 24,
        floor: float = 0.01,
    ) -> None:
        super().__init__()
        if not 0 < win_length <= n_fft:
            raise ValueError(f"win_length={win_length} must lie in 1…n_fft={n_fft}")
        if not 0 < lifter_order <= n_fft // 2:
            raise ValueError(f"lifter_order={lifter_order} must lie in 1…n_fft / 2={n_fft // 2}")
        if not floor > 0:
            raise ValueError(f"floor={floor} must be positive")
        check_window(n_fft, hop_length)
        filters = mel_filter_bank(sample_rate, n_fft, n_mels, f_min, f_max).double()
        window_norm = torch.hann_window(win_length, dtype=torch.float64).norm()
        inverse = torch.linalg.pinv(filters) / (window_norm * _MEAN_MAGNITUDE)
        # Beyond the outermost bands' centres the filters fade out, and with them their pseudo-inverse.
        lowest, highest = filters.argmax(dim=1)[[0, -1]].tolist()
        nearest = torch.arange(len(inverse)).clamp(lowest, highest)
        self.register_buffer("inverse_filters", inverse[nearest].float(), persistent=False)

    def forward(self, log_mel: Tensor) -> StftPrior:
        """Log-mel frames (batch, n_mels, frames) to the prior of waveforms (batch, 1, frames · hop)."""
        n_mels = self.config.n_mels
        if log_mel.dim() != 3 or log_mel.shape[1] != n_mels:
            raise ValueError(
                f"log_mel has shape {tuple(log_mel.shape)}, expected (batch, {n_mels} mel bands, frames)"
            )
        dtype = torch.promote_types(log_mel.dtype, torch.float32)
        with torch.autocast(log_mel.device.type, enabled=False):
            magnitudes = self.inverse_filters.to(dtype) @ log_mel.to(dtype).exp()
            gain = self._envelope(rearrange(magnitudes, "batch bin frame -> batch 1 frame bin"))
        return StftPrior(0.0, gain.to(log_mel.dtype), self.config.hop_length)

    def _envelope(self, magnitudes: Tensor) -> Tensor:
        floor, order, n_fft = self.config.floor, self.config.lifter_order, self.config.n_fft
        cepstrum = torch.fft.irfft(magnitudes.clamp(min=floor).log(), n_fft)
        quefrency = torch.fft.fftfreq(n_fft, 1 / n_fft, device=cepstrum.device)
        liftered = torch.fft.rfft(cepstrum * (quefrency.abs() < order)).real
        return liftered.exp().clamp(min=floor)
