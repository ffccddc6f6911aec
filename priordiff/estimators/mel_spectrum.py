"""A vocoder prior with the spectrum of the speech: noise shaped in time and frequency by the mel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor

from priordiff.estimators.arguments import check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import LinearRegression
from priordiff.lapped_transform import check_hop_length, mdct
from priordiff.models.frames import check_log_mel
from priordiff.priors import LappedPrior
from priordiff.value_checks import values_are_checked

__all__ = ["MelSpectrumEstimator"]

# E[log n²] of a standard normal n is −γ − log 2: the mean of a log-power lies this far below the log of the
# power.
_MEAN_LOG_CHI_SQUARE = -1.2703628454614782


class MelSpectrumEstimator(PriorEstimator):
    r"""Log-mel frames to a `LappedPrior`: a standard deviation for each MDCT coefficient.

    $\log\sigma_{f,k} = w_k^\top \text{log-mel}_f + b_k$. The weights are the least-squares fit of the
    log-powers $\log X_{f,k}^2$ of the training set's MDCT coefficients, corrected by $\mathrm{E}\log n^2 =
    -\gamma - \log 2$ of a Gaussian $n$: the time-varying spectral prior of SpecGrad (Koizumi et al.,
    Interspeech 2022), fitted to data instead of inverting the mel filters, and with an exact inverse. Mel
    frame $f$ and MDCT block $f$ cover the same samples.

    Use it with `model_space="white"`: the entries of Σ spread over many decades.

    Args:
        n_mels: number of mel bands.
        hop_length: samples per mel frame, even; also the number of MDCT coefficients per frame.
        ridge: regularisation of the fit, relative to features of order 1.
        floor: smallest standard deviation.
        ceiling: largest standard deviation.

    Raises:
        ValueError: if a value is not positive or `hop_length` odd.

    Example:
        >>> estimator = MelSpectrumEstimator(n_mels=8, hop_length=16)
        >>> _ = estimator.fit((torch.randn(4, 8, 20), 0.1 * torch.randn(4, 1, 320)) for _ in range(3))
        >>> estimator(torch.zeros(1, 8, 10)).std.shape
        torch.Size([1, 1, 10, 16])
    """

    weight: Tensor
    bias: Tensor

    margin_frames = 0  # on either side that decide on the prior of one

    @register_to_config
    def __init__(
        self,
        n_mels: int = 80,
        hop_length: int = 256,
        ridge: float = 1e-6,
        floor: float = 1e-3,
        ceiling: float = 1.0,
    ) -> None:
        super().__init__()
        check_positive(n_mels=n_mels, ridge=ridge, floor=floor)
        if not ceiling > floor:
            raise ValueError(f"ceiling={ceiling} must be larger than floor={floor}")
        check_hop_length(hop_length)
        self.register_buffer("weight", torch.full((hop_length, n_mels), float("nan")))
        self.register_buffer("bias", torch.full((hop_length,), float("nan")))

    def forward(self, log_mel: Tensor) -> LappedPrior:
        """Log-mel frames (batch, n_mels, frames) to the prior of waveforms (batch, 1, frames · hop)."""
        check_log_mel(log_mel, self.config.n_mels)
        if values_are_checked() and self.bias[0].isnan():
            raise ValueError(
                "this MelSpectrumEstimator has not been fitted: call fit(batches of (log_mel, waveform)), "
                "or load one"
            )
        log_std = F.linear(rearrange(log_mel, "b mel f -> b 1 f mel"), self.weight, self.bias)
        std = log_std.exp().clamp(self.config.floor, self.config.ceiling)
        return LappedPrior(torch.zeros((), device=std.device, dtype=std.dtype), std, self.config.hop_length)

    def new_statistics(self) -> LinearRegression:
        return LinearRegression()

    def observe(self, statistics: LinearRegression, log_mel: Tensor, waveform: Tensor) -> None:
        """Adds log-mel frames (batch, n_mels, frames) and their waveforms (batch, 1, frames · hop_length)."""
        check_log_mel(log_mel, self.config.n_mels)
        batch, _, frames = log_mel.shape
        expected = (batch, 1, frames * self.config.hop_length)
        if waveform.shape != expected:
            raise ValueError(f"waveform has shape {tuple(waveform.shape)}, expected {expected}")
        features = F.pad(rearrange(log_mel, "b mel f -> (b f) mel"), (0, 1), value=1.0)
        coefficients = mdct(waveform.cpu().double(), self.config.hop_length)
        # A coefficient far below the floor tells nothing about σ, but its logarithm would outweigh all
        # others.
        power = coefficients.square().clamp(min=self.config.floor**2 * 1e-2)
        log_std = (power.log() - _MEAN_LOG_CHI_SQUARE) / 2
        statistics.update(features, rearrange(log_std, "b 1 f k -> (b f) k"))

    def conclude(self, statistics: LinearRegression) -> None:
        solution = statistics.solve(self.config.ridge)
        self.weight.copy_(solution[:-1].T)
        self.bias.copy_(solution[-1])
