"""Gaussians of torch.distributions as priors."""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
)

from priordiff.priors.dense import DensePrior
from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.low_rank import LowRankPrior

__all__ = ["from_distribution"]


def from_distribution(distribution: Distribution) -> GaussianPrior:
    """The prior that is a Gaussian of `torch.distributions`; gradients reach its parameters.

    `Normal` becomes a `DiagonalPrior`, `MultivariateNormal` a `DensePrior`, `LowRankMultivariateNormal` a
    `LowRankPrior`. The first dimension of the `batch_shape` is the batch. All other dimensions, those of the
    `event_shape` and further ones of the `batch_shape`, are one event, over which `log_prob` sums, whether
    `Independent` says so or not. A distribution without a `batch_shape` is one Gaussian for the whole batch;
    a `Normal` of two numbers fits any event.

    Args:
        distribution: `Normal`, `MultivariateNormal`, `LowRankMultivariateNormal`, or `Independent` of one of
            them.

    Returns:
        The prior, whose `log_prob` is the distribution's. Matrices of further batch dimensions become the
        blocks of one matrix.

    Raises:
        TypeError: if it is another distribution, or none.
        ValueError: if its parameters are not those of a Gaussian.

    Example:
        >>> from torch.distributions import Normal
        >>> prior = from_distribution(Normal(torch.zeros(4, 1, 16), torch.full((4, 1, 16), 0.5)))
        >>> prior.event_shape
        torch.Size([1, 16])
    """
    base = distribution
    while isinstance(base, Independent):
        base = base.base_dist
    one_for_all = isinstance(distribution, Distribution) and not distribution.batch_shape

    def batched(parameter: Tensor) -> Tensor:
        return parameter[None] if one_for_all and parameter.dim() else parameter

    if isinstance(base, Normal):
        return DiagonalPrior(batched(base.loc), batched(base.scale))
    if isinstance(base, MultivariateNormal):
        return DensePrior.from_scale_tril(batched(base.loc), _block_diagonal(batched(base.scale_tril)))
    if isinstance(base, LowRankMultivariateNormal):
        factor = _block_diagonal(batched(base.cov_factor))
        return LowRankPrior(batched(base.loc), batched(base.cov_diag), factor)
    raise TypeError(
        f"no prior is known for a {type(base).__name__}: expected a Normal, MultivariateNormal or "
        "LowRankMultivariateNormal of torch.distributions, or Independent of one of them"
    )


def _block_diagonal(matrices: Tensor) -> Tensor:
    """Matrices (batch, …, n, m) as the N blocks of one for each item, (batch, N · n, N · m)."""
    blocks = rearrange(matrices, "batch ... n m -> batch (...) n m")
    identity = torch.eye(blocks.shape[1], device=blocks.device, dtype=blocks.dtype)
    spread = einsum(blocks, identity, "batch row n m, row column -> batch row n column m")
    return rearrange(spread, "batch row n column m -> batch (row n) (column m)")
