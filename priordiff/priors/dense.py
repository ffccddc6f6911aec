"""Any covariance matrix: Σ itself, over the flattened event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from priordiff.priors.flattened import fits_flattened, flattened_shape, on_columns
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import as_parameter, cholesky_root, expand_batch, sum_over_event

__all__ = ["DensePrior"]


class DensePrior(GaussianPrior):
    r"""$N(\mu, \Sigma)$ with $\Sigma$ given as a matrix over the D elements of the flattened event.

    $L$ is the lower Cholesky factor (Golub and Van Loan, *Matrix Computations*, section 4.2), computed once.
    It costs O(D³) then, O(D²) memory, and O(D²) for each `color` (a product) and `whiten` (a triangular
    solve), which compute in float32 at least. For more than some thousand elements take a structure.

    Events have the shape that the mean gives them. A mean that broadcasts over several axes, or is a number,
    leaves open how the D elements are arranged: any event of D elements that it broadcasts to fits, and
    `event_shape` has them in one axis.

    Args:
        mean: μ, broadcastable to the data.
        covariance: Σ, symmetric and positive definite, (D, D) for the whole batch or (batch, D, D).

    Attributes:
        scale_tril: $L$ (batch, D, D).

    Raises:
        ValueError: if a parameter is not finite, Σ is not square, not symmetric or not positive definite (the
            message names its smallest eigenvalue), or the mean is not for events of D elements.

    Example:
        >>> prior = DensePrior(torch.zeros(1, 2), torch.tensor([[4.0, 2.0], [2.0, 2.0]]))
        >>> prior.color(torch.ones(3, 2))[0]
        tensor([2., 2.])
        >>> prior.log_det().exp()
        tensor([4.])
    """

    def __init__(self, mean: Tensor | float, covariance: Tensor) -> None:
        self.mean = as_parameter("mean", mean, like=covariance)
        covariance = as_parameter("covariance", covariance)
        if covariance.dim() not in (2, 3):
            raise ValueError(
                f"covariance has shape {tuple(covariance.shape)}, expected (D, D) or (batch, D, D)"
            )
        root = cholesky_root("covariance", covariance)
        self.scale_tril = root if root.dim() == 3 else root[None]
        self._check_values()
        shape = flattened_shape("mean", self.mean.shape, "covariance", *self.scale_tril.shape[:2])
        self.event_shape = shape[1:]
        self.mean, self.scale_tril = (expand_batch(tensor, shape) for tensor in (self.mean, self.scale_tril))

    def color(self, z: Tensor) -> Tensor:
        return self._apply(torch.matmul, z)

    def whiten(self, r: Tensor) -> Tensor:
        return self._apply(_solve, r)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return sum_over_event(2 * self.scale_tril.diagonal(dim1=1, dim2=2).log())

    def _apply(self, operation: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        self._check_event(x)
        result_dtype = torch.promote_types(x.dtype, self.scale_tril.dtype)
        compute_dtype = torch.promote_types(result_dtype, torch.float32)
        return on_columns(operation, x.to(compute_dtype), self.scale_tril).to(result_dtype)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, DensePrior):
            return super()._trace_ratio(other, event_shape)
        compute_dtype = torch.promote_types(self.scale_tril.dtype, torch.float32)
        ratio = _solve(other.scale_tril.to(compute_dtype), self.scale_tril.to(compute_dtype))
        return ratio.square().sum((1, 2)).to(self.scale_tril.dtype)

    def _fits(self, shape: Sequence[int]) -> bool:
        return fits_flattened(shape, self.batch_size, self.scale_tril.shape[-1], [self.mean])

    def _check_values(self) -> None:
        diagonal = self.scale_tril.diagonal(dim1=1, dim2=2)
        if not (torch.isfinite(self.scale_tril).all() and (diagonal > 0).all()):
            raise ValueError(
                f"the covariance's Cholesky factor in {self.scale_tril.dtype} must be finite with a positive "
                f"diagonal, whose smallest value is {float(diagonal.min()):g}: take a larger dtype"
            )


def _solve(root: Tensor, columns: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(root, columns, upper=False)
