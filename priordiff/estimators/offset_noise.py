"""White noise with a shift of each channel."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.base import PriorEstimator
from priordiff.priors import LowRankPrior

__all__ = ["OffsetNoiseEstimator"]


class OffsetNoiseEstimator(PriorEstimator):
    r"""A `LowRankPrior` with the noise $n + s\,m$, where $m$ is one number for each channel.

    $\Sigma = I + s^2\,\mathbf{1}\mathbf{1}^\top$ over the pixels of each channel: offset noise (Guttenberg,
    *Diffusion with Offset Noise*, crosslabs.org, 2023), with which an image model learns to move the mean
    brightness. Since the sampler starts from the same noise as the training, none is left behind. `color` and
    `whiten` cost O(D) for each channel.

    Args:
        strength: s, standard deviation of the shift; 0 is white noise.

    Raises:
        ValueError: if the strength is negative.

    Example:
        >>> estimator = OffsetNoiseEstimator(strength=0.1)
        >>> latents = torch.randn(2, 4, 32, 32)
        >>> estimator(latents).sample(latents.shape).shape
        torch.Size([2, 4, 32, 32])
    """

    @register_to_config
    def __init__(self, strength: float = 0.1) -> None:
        super().__init__()
        if not strength >= 0:
            raise ValueError(f"strength={strength} must not be negative")

    def forward(self, like: Tensor) -> LowRankPrior:
        """The prior of data that are like these (batch, channels, …) in shape, device and dtype.

        Its batch is 1: it serves any number of items.
        """
        if like.dim() < 2:
            raise ValueError(f"data have shape {tuple(like.shape)}, expected (batch, channels, …)")
        channels, *pixels = like.shape[1:]
        shift = self.config.strength * torch.eye(channels, device=like.device, dtype=like.dtype)
        factor = shift.reshape(1, channels, *[1] * len(pixels), channels)
        return LowRankPrior(0.0, 1.0, factor.expand(1, channels, *pixels, channels))
