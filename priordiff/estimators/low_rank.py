"""A few directions in which the data vary together, and independent elements beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_items, check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Covariance
from priordiff.priors import LowRankPrior
from priordiff.value_checks import values_are_checked

__all__ = ["LowRankEstimator"]

_ITERATIONS = 100
_TOLERANCE = 1e-6


class LowRankEstimator(PriorEstimator):
    r"""A `LowRankPrior` with the mean of the data and their most likely few factors, one for every item.

    $\mu = \mathrm{E}[x]$, and $\Sigma = \operatorname{diag}(d) + UU^\top$ is a factor analysis: from the
    principal components, the expectation maximisation of Rubin and Thayer (Psychometrika 1982) raises the
    likelihood of the data, whose covariance is summed up in one streaming pass. An element's variance is at
    least $\text{floor}^2$ beside the factors. That pass keeps a D × D matrix in float64 for items of D
    elements: latents of 4 × 32 × 32 take 128 MB.

    Args:
        shape: shape of one item, e.g. (channels, height, width).
        rank: number of factors, fewer than elements.
        floor: smallest standard deviation of an element.

    Raises:
        ValueError: if a size or the floor is not positive, or there are as many factors as elements.

    Example:
        >>> latents = torch.randn(32, 4, 8, 8) + torch.randn(32, 1, 1, 1)  # brighter or darker as a whole
        >>> prior = LowRankEstimator(shape=(4, 8, 8), rank=1).fit([latents])()
        >>> bool(prior.log_prob(latents).mean() > -1.5 * 256)
        True
    """

    mean: Tensor
    diagonal: Tensor
    factor: Tensor

    @register_to_config
    def __init__(self, shape: Sequence[int], rank: int = 16, floor: float = 0.01) -> None:
        super().__init__()
        check_positive(shape, rank=rank, floor=floor)
        if rank >= math.prod(shape):
            raise ValueError(f"rank={rank} must be less than the {math.prod(shape)} elements of an item")
        self.register_buffer("mean", torch.full((1, *shape), float("nan")))
        self.register_buffer("diagonal", torch.full((1, *shape), float("nan")))
        self.register_buffer("factor", torch.full((1, *shape, rank), float("nan")))

    def forward(self) -> LowRankPrior:
        """The one prior of all data (batch, *shape), with a batch of 1."""
        if values_are_checked() and self.mean.isnan().any():
            raise ValueError(
                "this LowRankEstimator has not been fitted: call fit(batches of data) or load one"
            )
        return LowRankPrior(self.mean, self.diagonal, self.factor)

    def new_statistics(self) -> Covariance:
        return Covariance()

    def observe(self, statistics: Covariance, data: Tensor) -> None:
        """Adds data (batch, *shape)."""
        check_items(data, self.config.shape)
        statistics.update(data.flatten(1))

    def conclude(self, statistics: Covariance) -> None:
        diagonal, factor = _factor_analysis(statistics.matrix(), self.config.rank, self.config.floor**2)
        for own, value in ((self.mean, statistics.mean), (self.diagonal, diagonal), (self.factor, factor)):
            own.copy_(value.reshape(own.shape))


def _factor_analysis(covariance: Tensor, rank: int, floor: float) -> tuple[Tensor, Tensor]:
    r"""$d$, of at least the floor, and $U$ of the most likely $\operatorname{diag}(d) + UU^\top$."""
    values, vectors = torch.linalg.eigh(covariance)
    rest = values[:-rank].mean()
    factor = vectors[:, -rank:] * (values[-rank:] - rest).clamp(min=0).sqrt()
    variances = covariance.diagonal()
    diagonal = (variances - factor.square().sum(1)).clamp(min=floor)
    likelihood = -torch.inf
    for _ in range(_ITERATIONS):
        scaled = factor / diagonal[:, None]
        inner = torch.eye(rank, dtype=factor.dtype) + factor.T @ scaled
        # E: the factors' mean is `weights.T @ (x - mean)`, their covariance the inverse of `inner`.
        weights = torch.linalg.solve(inner, scaled.T).T
        products = covariance @ weights
        moments = torch.linalg.inv(inner) + weights.T @ products
        before, likelihood = likelihood, _log_likelihood(covariance, diagonal, factor, weights, inner)
        if likelihood - before < _TOLERANCE * len(covariance):
            break
        # M: a regression of the data on the factors, and what it leaves.
        factor = torch.linalg.solve(moments, products.T).T
        diagonal = (variances - (factor * products).sum(1)).clamp(min=floor)
    return diagonal, factor


def _log_likelihood(
    covariance: Tensor, diagonal: Tensor, factor: Tensor, weights: Tensor, inner: Tensor
) -> float:
    """Of one item on average, up to a constant."""
    log_det = diagonal.log().sum() + torch.linalg.slogdet(inner)[1]
    explained = ((covariance @ weights) * (factor / diagonal[:, None])).sum()
    return -0.5 * float(log_det + (covariance.diagonal() / diagonal).sum() - explained)
