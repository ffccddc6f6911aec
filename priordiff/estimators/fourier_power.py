"""Noise with the power spectrum of the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_items, check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Moments, check_numbers
from priordiff.priors import SpectralPrior
from priordiff.priors.parameters import event_axes
from priordiff.value_checks import values_are_checked

__all__ = ["FourierPowerEstimator"]


class FourierPowerEstimator(PriorEstimator):
    r"""A `SpectralPrior` with the mean and the power spectrum of the data, one for every item.

    $\mu = \mathrm{E}[x]$ and $p_k = \max(\mathrm{E}\,\lvert F(x - \mu)\rvert_k^2,\ \text{floor}^2)$ with the
    orthonormal Fourier transform $F$ over `dims`, fitted in one streaming pass: of all Gaussians whose noise
    is stationary over these axes, the one nearest to the data. The noise of non-isotropic DDPM (Voleti et
    al., arXiv 2210.12254) and of spectrally anisotropic diffusion (Scimeca et al., arXiv 2510.09660) is of
    this form, with a power that is chosen by hand.

    Natural images have a power near $1/k^2$, so that the entries of Σ spread over many decades: use
    `model_space="white"`.

    Args:
        shape: shape of one item, e.g. (channels, height, width).
        dims: axes of the data, batch first, over which to transform; by default all but the channels.
        floor: smallest standard deviation of a coefficient.

    Raises:
        ValueError: if `dims` are not axes of an item, or `shape` or the floor is not positive.

    Example:
        >>> estimator = FourierPowerEstimator(shape=(3, 8, 8)).fit([torch.rand(16, 3, 8, 8)])
        >>> estimator().sample((2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """

    mean: Tensor
    power: Tensor

    @register_to_config
    def __init__(self, shape: Sequence[int], dims: Sequence[int] | None = None, floor: float = 0.01) -> None:
        super().__init__()
        check_positive(shape, floor=floor)
        self._dims = event_axes("dims", range(2, 1 + len(shape)) if dims is None else dims, 1 + len(shape))
        if not self._dims:
            raise ValueError("dims=[] names no axis, expected at least one")
        # Of the coefficients' shape, but not made of them: half precision has no Fourier transform.
        bins = list(shape)
        bins[self._dims[-1] - 1] = bins[self._dims[-1] - 1] // 2 + 1
        self.register_buffer("mean", torch.full((1, *shape), float("nan")))
        self.register_buffer("power", torch.full((1, *bins), float("nan")))

    def forward(self) -> SpectralPrior:
        """The one prior of all data (batch, *shape), with a batch of 1."""
        if values_are_checked() and self.mean.isnan().any():
            raise ValueError(
                "this FourierPowerEstimator has not been fitted: call fit(batches of data) or load one"
            )
        return SpectralPrior(self.mean, self.power, self._dims)

    def new_statistics(self) -> Moments:
        return Moments()

    def observe(self, statistics: Moments, data: Tensor) -> None:
        """Adds data (batch, *shape)."""
        check_items(data, self.config.shape)
        check_numbers(data)
        if len(data):
            statistics.update(self._coefficients(data.cpu().double()))

    def conclude(self, statistics: Moments) -> None:
        power = statistics.variance().sum(-1).clamp(min=self.config.floor**2)
        mean = torch.fft.irfftn(
            torch.view_as_complex(statistics.mean),
            [self.mean.shape[dim] for dim in self._dims],
            dim=self._dims,
            norm="ortho",
        )
        self.mean.copy_(mean)
        self.power.copy_(power)

    def _coefficients(self, data: Tensor) -> Tensor:
        """The Fourier coefficients of data (batch, …), real and imaginary parts in a last dimension."""
        return torch.view_as_real(torch.fft.rfftn(data, dim=self._dims, norm="ortho"))
