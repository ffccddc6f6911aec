"""Independent dimensions: Σ = diag(σ²)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from priordiff.priors.gaussian import (
    GaussianPrior,
    as_parameter,
    as_std,
    expand_batch,
    sum_over_event,
    trace_ratio_by_columns,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DiagonalPrior"]


class DiagonalPrior(GaussianPrior):
    r"""$N(\mu, \operatorname{diag}(\sigma^2))$, the prior of PriorGrad (Lee et al., ICLR 2022, eq. 3).

    Args:
        mean: μ, broadcastable to the data; a number, or a tensor with as many dimensions as the data.
        std: σ > 0, likewise; a number is the isotropic prior.

    Raises:
        ValueError: if a parameter holds NaN or infinity, σ is not positive, or the two do not broadcast.

    Example:
        >>> prior = DiagonalPrior(mean=0.0, std=torch.tensor([[0.5, 2.0]]))
        >>> prior.color(torch.ones(3, 2))[0]
        tensor([0.5000, 2.0000])
        >>> prior.log_det()
        tensor([0.])
    """

    def __init__(self, mean: Tensor | float, std: Tensor | float) -> None:
        self.mean = as_parameter("mean", mean, like=std)
        self.std = as_std(std, like=mean)
        if self.mean.dim() and self.std.dim() and self.mean.dim() != self.std.dim():
            raise ValueError(
                f"mean has shape {tuple(self.mean.shape)} and std {tuple(self.std.shape)}: both need as many "
                "dimensions as the data, or none"
            )
        try:
            self._shape = torch.broadcast_shapes(self.mean.shape, self.std.shape)
        except RuntimeError as error:
            raise ValueError(
                f"mean of shape {tuple(self.mean.shape)} and std of shape {tuple(self.std.shape)} do not "
                "broadcast"
            ) from error
        self.mean, self.std = (expand_batch(tensor, self.batch_size) for tensor in (self.mean, self.std))

    @property
    def event_shape(self) -> torch.Size:
        return self._shape[1:]

    @property
    def batch_size(self) -> int:
        return self._shape[0] if self._shape else 1

    def color(self, z: Tensor) -> Tensor:
        self._check_event(z)
        return self.std * z

    def whiten(self, r: Tensor) -> Tensor:
        self._check_event(r)
        return r / self.std

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return sum_over_event(2 * self.std.log().expand(self.batch_size, *event_shape))

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, DiagonalPrior):
            return trace_ratio_by_columns(self, other, event_shape)
        ratio = (self.std / other.std).square()
        return sum_over_event(ratio.expand(max(self.batch_size, other.batch_size), *event_shape))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.mean), function(self.std))
