"""Noise that is correlated between the frames of a video."""

from __future__ import annotations

import math
from typing import Literal

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.base import PriorEstimator
from priordiff.priors import KroneckerPrior
from priordiff.priors.parameters import event_axes

__all__ = ["VideoNoiseEstimator"]


class VideoNoiseEstimator(PriorEstimator):
    r"""A `KroneckerPrior` with the noise of PYoCo: frames that share a part of it.

    Mixed noise is the sum of a noise that all frames share, with the variance $\alpha^2 / (1 + \alpha^2)$,
    and one of each frame's own, with $1 / (1 + \alpha^2)$. Progressive noise makes each frame's from the one
    before, $\epsilon_i = \rho\,\epsilon_{i-1} + n_i$ with $\rho = \alpha / \sqrt{1 + \alpha^2}$ and $n_i$ of
    the variance $1 / (1 + \alpha^2)$ (Ge et al., *Preserve Your Own Correlation*, ICCV 2023, section 4). So
    the covariance of frames $i$ and $j$ is

    $$\Sigma_{ij} = \rho^2 + (1 - \rho^2)\,[i = j] \quad\text{(mixed)}, \qquad
    \Sigma_{ij} = \rho^{|i - j|} \quad\text{(progressive)}.$$

    Args:
        alpha: α, how much the frames share; 0 is white noise.
        kind: "mixed" or "progressive".
        axis: axis of the frames in the data: 2 in (batch, channels, frames, height, width).

    Raises:
        ValueError: if α is negative, or there is no such kind.

    Example:
        >>> estimator = VideoNoiseEstimator(alpha=1.0)
        >>> video = torch.randn(2, 4, 16, 8, 8)
        >>> estimator(video).sample(video.shape).shape
        torch.Size([2, 4, 16, 8, 8])
    """

    @register_to_config
    def __init__(
        self, alpha: float = 1.0, kind: Literal["mixed", "progressive"] = "mixed", axis: int = 2
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha} must not be negative")
        if kind not in ("mixed", "progressive"):
            raise ValueError(f"kind={kind!r}, expected 'mixed' or 'progressive'")

    def forward(self, like: Tensor) -> KroneckerPrior:
        """The prior of data that are like these in shape, device and dtype, with a batch of 1."""
        (axis,) = event_axes("axis", [self.config.axis], like.dim())
        dtype = torch.promote_types(like.dtype, torch.float32)
        frame = torch.arange(like.shape[axis], device=like.device, dtype=dtype)
        distance = (frame[:, None] - frame).abs()
        correlation = self.config.alpha / math.hypot(1, self.config.alpha)
        exponent = distance if self.config.kind == "progressive" else 2 * distance.clamp(max=1)
        return KroneckerPrior(0.0, {axis: correlation**exponent}).to(like.dtype)
