"""A prior of which a mask leaves some elements, for padded batches."""

from __future__ import annotations

from functools import singledispatch

import torch
from einops import rearrange
from torch import Tensor

from priordiff.priors.dense import DensePrior
from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.flattened import flattened_shape
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.low_rank import LowRankPrior
from priordiff.priors.parameters import cholesky_root

__all__ = ["MaskedPrior"]


def MaskedPrior(prior: GaussianPrior, mask: Tensor) -> GaussianPrior:
    r"""$N(M\mu,\; M\Sigma M + I - M)$ with $M$ the diagonal matrix of a mask: N(0, I) where it is False.

    Unmasked elements keep the distribution that they have under the prior, whatever the others are: their
    marginal. Masked ones have mean 0 and variance 1 and are independent of all. The result is again a prior
    of the same structure, at the same cost; for a `DensePrior` the masked matrices are decomposed anew.

    Other structures are not closed under masking, which would cut through what they correlate. For these, put
    the priors of the items alone into a `PaddedPrior`.

    Args:
        prior: a `DiagonalPrior`, `LowRankPrior` or `DensePrior`.
        mask: True (or non-zero) where an element follows the prior, (batch, …) or (1, …), broadcastable to
            the data and with as many dimensions.

    Returns:
        The masked prior.

    Raises:
        TypeError: if the prior has another structure.
        ValueError: if the mask does not fit the prior.

    Example:
        >>> lengths = torch.tensor([2, 4])
        >>> mask = torch.arange(4) < lengths[:, None, None]  # (batch, channels, time)
        >>> MaskedPrior(DiagonalPrior(mean=3.0, std=0.5), mask).mean[:, 0]
        tensor([[3., 3., 0., 0.],
                [3., 3., 3., 3.]])
    """
    return _masked(prior, mask != 0)


@singledispatch
def _masked(prior: GaussianPrior, mask: Tensor) -> GaussianPrior:
    raise TypeError(
        f"a {type(prior).__name__} has no masked form, since a mask would cut through its correlations: mask "
        "a DiagonalPrior, LowRankPrior or DensePrior, or put the priors of the items alone into a PaddedPrior"
    )


@_masked.register
def _(prior: DiagonalPrior, mask: Tensor) -> GaussianPrior:
    return DiagonalPrior(_where(mask, prior.mean, 0), _where(mask, prior.std, 1))


@_masked.register
def _(prior: LowRankPrior, mask: Tensor) -> GaussianPrior:
    mean, diagonal = _where(mask, prior.mean, 0), _where(mask, prior.diagonal, 1)
    shape = torch.broadcast_shapes(mean.shape, diagonal.shape)
    kept = _flattened(mask, flattened_shape("mask and prior", shape, "factor", *prior.basis.shape[:2]))
    return LowRankPrior(mean, diagonal, torch.where(kept[:, :, None], prior.factor, 0))


@_masked.register
def _(prior: DensePrior, mask: Tensor) -> GaussianPrior:
    mean, root = _where(mask, prior.mean, 0), prior.scale_tril
    kept = _flattened(mask, flattened_shape("mask and prior", mean.shape, "scale_tril", *root.shape[:2]))
    with torch.autocast(root.device.type, enabled=False):
        full = root.to(torch.promote_types(root.dtype, torch.float32))
        covariance = full @ full.mT
    identity = torch.eye(full.shape[2], device=full.device, dtype=full.dtype)
    covariance = torch.where(kept[:, :, None] & kept[:, None, :], covariance, identity)
    return DensePrior.from_scale_tril(mean, cholesky_root("covariance", covariance).to(root.dtype))


def _where(mask: Tensor, parameter: Tensor, masked: float) -> Tensor:
    """A parameter with a value where the mask is False."""
    sizes = zip(parameter.shape, mask.shape, strict=False)
    if parameter.dim() not in (0, mask.dim()) or any(1 != own != size != 1 for own, size in sizes):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)} and a parameter of the prior {tuple(parameter.shape)}: both "
            "need as many dimensions as the data, and each must be equal, or 1"
        )
    return torch.where(mask, parameter, masked)


def _flattened(mask: Tensor, shape: torch.Size) -> Tensor:
    """The mask over flattened events (batch or 1, D) of data of a given shape."""
    return rearrange(mask.expand(len(mask), *shape[1:]), "batch ... -> batch (...)")
