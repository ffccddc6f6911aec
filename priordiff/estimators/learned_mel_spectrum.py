"""A vocoder prior with the spectrum of the speech, by a network that is trained for its likelihood."""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.estimators.arguments import check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.lapped_transform import check_hop_length
from priordiff.models import ConvNeXtBlock
from priordiff.models.frames import check_log_mel, standardize_log_mel
from priordiff.priors import LappedPrior

__all__ = ["LearnedMelSpectrumEstimator"]

# Where training begins: of the size of quiet speech.
_FIRST_STD = 0.02


class LearnedMelSpectrumEstimator(PriorEstimator):
    r"""Log-mel frames to a `LappedPrior`, by ConvNeXt blocks: a standard deviation for each MDCT coefficient.

    $\sigma_{f} = \text{floor} + \exp g_\theta(\text{log-mel})_f$, where the network $g_\theta$ sees some
    frames before and after, unlike the linear fit of
    [`MelSpectrumEstimator`][priordiff.MelSpectrumEstimator]. Train it with
    [`prior_nll`][priordiff.estimators.prior_nll] on whole waveforms or on crops: the likelihood has its
    maximum at the coefficients' second moments given the mel, so that nothing else that is diagonal in this
    basis describes the data better. The likelihood of held-out data tells which of two priors is the better
    one before any denoiser is trained.

    Use it with `model_space="white"`: the entries of Σ spread over many decades.

    Args:
        channels: width of the network.
        layers: number of its blocks, each of which sees three frames more to either side.
        n_mels: number of mel bands.
        hop_length: samples per mel frame, even; also the number of MDCT coefficients per frame.
        floor: smallest standard deviation; digital silence has no likelihood without it.

    Raises:
        ValueError: if a value is not positive or `hop_length` odd.

    Example:
        >>> from priordiff.estimators import prior_nll
        >>> estimator = LearnedMelSpectrumEstimator(channels=8, layers=1, n_mels=8, hop_length=16)
        >>> prior = estimator(torch.zeros(2, 8, 10))
        >>> prior.std.shape
        torch.Size([2, 1, 10, 16])
        >>> prior_nll(prior, 0.1 * torch.randn(2, 1, 160)).backward()
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 256,
        layers: int = 4,
        n_mels: int = 80,
        hop_length: int = 256,
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, layers=layers, n_mels=n_mels, floor=floor)
        check_hop_length(hop_length)
        self.input_projection = nn.Linear(n_mels, channels)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, 7, 3) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.output_projection = nn.Linear(channels, hop_length)
        nn.init.zeros_(self.output_projection.weight)
        nn.init.constant_(self.output_projection.bias, math.log(_FIRST_STD))

    @property
    def margin_frames(self) -> int:
        """Frames on either side that decide on the prior of one."""
        return 3 * len(self.blocks)

    def forward(self, log_mel: Tensor) -> LappedPrior:
        """Log-mel frames (batch, n_mels, frames) to the prior of waveforms (batch, 1, frames · hop).

        Raises:
            ValueError: if the frames have another number of bands.
        """
        check_log_mel(log_mel, self.config.n_mels)
        x = self.input_projection(rearrange(standardize_log_mel(log_mel), "b mel f -> b f mel"))
        for block in self.blocks:
            x = block(x)
        # A coefficient of a signal within [−1, 1] is at most that of a sine wave, √(H / 2), for long.
        loudest = math.log(self.config.hop_length) / 2
        log_std = self.output_projection(self.norm(x)).to(log_mel.dtype).clamp(max=loudest)
        std = self.config.floor + log_std.exp()
        mean = torch.zeros((), device=std.device, dtype=std.dtype)
        return LappedPrior(mean, std[:, None], self.config.hop_length)
