"""The covariance of the data along one axis: of channels, or of frames."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Covariance
from priordiff.priors import KroneckerPrior
from priordiff.priors.parameters import event_axes
from priordiff.value_checks import values_are_checked

__all__ = ["AxisCovarianceEstimator"]


class AxisCovarianceEstimator(PriorEstimator):
    r"""A `KroneckerPrior` with the mean and covariance that the data have along one axis.

    All other axes are pooled: with that of the channels, every pixel is a draw of one vector. $\mu =
    \mathrm{E}[x]$ and $\Sigma_a = V\max(\Lambda, \text{floor}^2)V^\top$ with the eigenvectors and
    eigenvalues of $\mathrm{E}[(x - \mu)(x - \mu)^\top]$, fitted in one pass. Use it for the channels
    of latents, which need be neither centred nor independent nor of equal variance, or for the frames of a
    video, where it is the noise of PYoCo (Ge et al., ICCV 2023) with correlations that are measured.

    Args:
        size: length of the axis.
        axis: the axis in the data, batch first.
        floor: smallest standard deviation in any direction.

    Raises:
        ValueError: if the size or the floor is not positive.

    Example:
        >>> latents = torch.randn(16, 4, 8, 8) + 3
        >>> prior = AxisCovarianceEstimator(size=4, axis=1).fit([latents])(latents)
        >>> prior.mean.shape, prior.sample(latents.shape).shape
        (torch.Size([1, 4, 1, 1]), torch.Size([16, 4, 8, 8]))
    """

    mean: Tensor
    covariance: Tensor

    @register_to_config
    def __init__(self, size: int, axis: int = 1, floor: float = 0.01) -> None:
        super().__init__()
        check_positive(size=size, floor=floor)
        self.register_buffer("mean", torch.full((size,), float("nan")))
        self.register_buffer("covariance", torch.full((size, size), float("nan")))

    def forward(self, like: Tensor) -> KroneckerPrior:
        """The prior of data with as many dimensions as these, with a batch of 1."""
        if values_are_checked() and self.mean.isnan().any():
            raise ValueError(
                "this AxisCovarianceEstimator has not been fitted: call fit(batches of data) or load one"
            )
        axis = self._axis_of(like)
        mean = self.mean.reshape([-1 if dim == axis else 1 for dim in range(like.dim())])
        return KroneckerPrior(mean, {axis: self.covariance})

    def new_statistics(self) -> Covariance:
        return Covariance()

    def observe(self, statistics: Covariance, data: Tensor) -> None:
        """Adds data (batch, …)."""
        statistics.update(data.movedim(self._axis_of(data), -1).flatten(0, -2))

    def conclude(self, statistics: Covariance) -> None:
        values, vectors = torch.linalg.eigh(statistics.matrix())
        values = values.clamp(min=self.config.floor**2)
        self.covariance.copy_(vectors * values @ vectors.T)
        self.mean.copy_(statistics.mean)

    def _axis_of(self, data: Tensor) -> int:
        (axis,) = event_axes("axis", [self.config.axis], data.dim())
        if data.shape[axis] != self.config.size:
            raise ValueError(
                f"data of shape {tuple(data.shape)} have {data.shape[axis]} entries along axis {axis}, "
                f"expected size={self.config.size}"
            )
        return axis
