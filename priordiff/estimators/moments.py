"""Mean and standard deviation of each element of the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_items, check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Moments
from priordiff.priors import DiagonalPrior
from priordiff.value_checks import values_are_checked

__all__ = ["MomentsEstimator"]


class MomentsEstimator(PriorEstimator):
    r"""A `DiagonalPrior` with the mean and the standard deviation of each element, one for every item.

    $\mu = \mathrm{E}[x]$ and $\sigma^2 = \max(\operatorname{Var}[x],\ \text{floor}^2)$, fitted in one
    streaming pass: of all Gaussians with independent elements, the one nearest to the data.

    Args:
        shape: shape of one item, e.g. (channels, height, width).
        floor: smallest standard deviation.

    Raises:
        ValueError: if a size or the floor is not positive.

    Example:
        >>> estimator = MomentsEstimator(shape=(4, 8, 8)).fit([torch.randn(16, 4, 8, 8)])
        >>> estimator().std.shape
        torch.Size([1, 4, 8, 8])
    """

    mean: Tensor
    std: Tensor

    @register_to_config
    def __init__(self, shape: Sequence[int], floor: float = 0.01) -> None:
        super().__init__()
        check_positive(shape, floor=floor)
        self.register_buffer("mean", torch.full((1, *shape), float("nan")))
        self.register_buffer("std", torch.full((1, *shape), float("nan")))

    def forward(self) -> DiagonalPrior:
        """The one prior of all data (batch, *shape), with a batch of 1."""
        if values_are_checked() and self.mean.isnan().any():
            raise ValueError(
                "this MomentsEstimator has not been fitted: call fit(batches of data) or load one"
            )
        return DiagonalPrior(self.mean, self.std)

    def new_statistics(self) -> Moments:
        return Moments()

    def observe(self, statistics: Moments, data: Tensor) -> None:
        """Adds data (batch, *shape)."""
        check_items(data, self.config.shape)
        statistics.update(data)

    def conclude(self, statistics: Moments) -> None:
        std = statistics.variance().sqrt().clamp(min=self.config.floor)
        self.mean.copy_(statistics.mean.reshape(self.mean.shape))
        self.std.copy_(std.reshape(self.std.shape))
