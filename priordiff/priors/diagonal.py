"""Independent dimensions: Σ = diag(σ²)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    common_shape,
    expand_batch,
    sum_over_event,
)
from priordiff.value_checks import values_are_checked

__all__ = ["DiagonalPrior"]

# A float16 has no 1/σ for σ < 2e-5, and in bfloat16 a product with it is off by another half percent.
_WITH_A_WIDE_RANGE = (torch.float32, torch.float64)


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
        self.std = as_parameter("std", std, like=mean)
        self._check_values()
        shape = common_shape(self.mean, "std", self.std.shape)
        self.event_shape = shape[1:]
        self.mean, self.std = (expand_batch(tensor, shape) for tensor in (self.mean, self.std))

    def color(self, z: Tensor) -> Tensor:
        self._check_event(z)
        return self.std * z

    def whiten(self, r: Tensor) -> Tensor:
        self._check_event(r)
        return r / self.std

    def to_white(self, x: Tensor) -> Tensor:
        self._check_event(x)
        centered = x - self.mean
        # One buffer less: two that live side by side cost a CPU's allocator more than the arithmetic.
        return centered.div_(self.std) if centered.dtype == self.std.dtype else centered / self.std

    def to_data(self, z: Tensor) -> Tensor:
        self._check_event(z)
        return torch.addcmul(self.mean, self.std, z)

    def prepared(self) -> DiagonalPrior:
        # Gradients have to reach the parameters in every call, and numbers serve states of every dtype.
        learned = self.std.requires_grad or self.mean.requires_grad
        if (
            learned
            or not values_are_checked()
            or not self.event_shape
            or self.std.dtype not in _WITH_A_WIDE_RANGE
        ):
            return self
        prepared = _PreparedDiagonalPrior(self)
        return prepared if prepared.is_finite() else self

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return sum_over_event(2 * self.std.log().expand(self.batch_size, *event_shape))

    def _variance(self, event_shape: torch.Size) -> Tensor:
        return self.std.square()

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, DiagonalPrior):
            return super()._trace_ratio(other, event_shape)
        ratio = (self.std / other.std).square()
        return sum_over_event(ratio.expand(max(self.batch_size, other.batch_size), *event_shape))

    def _check_values(self) -> None:
        super()._check_values()
        check_positive("std", self.std)


class _PreparedDiagonalPrior(DiagonalPrior):
    r"""Whitens without a division and in one pass, $z = \sigma^{-1} x - \mu/\sigma$.

    It takes two more tensors, and its rounding error in $x$ is a few of the smallest steps of $\mu$, not one.
    """

    def __init__(self, prior: DiagonalPrior) -> None:
        vars(self).update(vars(prior))
        with torch.inference_mode(False):  # so that gradients can pass later
            self._inverse_std = self.std.reciprocal()
            self._offset = -self.mean * self._inverse_std

    def is_finite(self) -> bool:
        """Whether no σ is so small that its inverse is none."""
        return bool((self._inverse_std.isfinite() & self._offset.isfinite()).all())

    def whiten(self, r: Tensor) -> Tensor:
        self._check_event(r)
        return self._inverse_std * r

    def to_white(self, x: Tensor) -> Tensor:
        self._check_event(x)
        return torch.addcmul(self._offset, self._inverse_std, x)
