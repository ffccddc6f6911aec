"""Any covariance matrix: Σ itself, over the flattened event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from priordiff.priors.flattened import fits_flattened, flattened_shape, on_columns
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    cholesky_root,
    expand_batch,
    sum_over_event,
)

if TYPE_CHECKING:
    from typing_extensions import Self

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
        covariance = as_parameter("covariance", covariance)
        self._set(mean, "covariance", cholesky_root("covariance", covariance))

    @classmethod
    def from_scale_tril(cls, mean: Tensor | float, scale_tril: Tensor) -> Self:
        r"""The prior with a given root: $\Sigma = L L^\top$, e.g. of a network that predicts $L$.

        Args:
            mean: μ, broadcastable to the data.
            scale_tril: $L$, lower triangular with a positive diagonal, (D, D) or (batch, D, D).

        Raises:
            ValueError: if a parameter is not finite, L is no such matrix, or the mean is not for events of D
                elements.

        Example:
            >>> root = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
            >>> DensePrior.from_scale_tril(torch.zeros(1, 2), root).color(torch.ones(1, 2))
            tensor([[2., 2.]])
        """
        scale_tril = as_parameter("scale_tril", scale_tril)
        if scale_tril.dim() < 2 or scale_tril.shape[-1] != scale_tril.shape[-2]:
            raise ValueError(
                f"scale_tril has shape {tuple(scale_tril.shape)}, expected (D, D) or (batch, D, D)"
            )
        if not torch.equal(scale_tril, scale_tril.tril()):
            raise ValueError(
                "scale_tril must be lower triangular, above its diagonal it holds up to "
                f"{float(scale_tril.triu(1).abs().max()):g}"
            )
        prior = cls.__new__(cls)
        prior._set(mean, "scale_tril", scale_tril)
        return prior

    def _set(self, mean: Tensor | float, name: str, root: Tensor) -> None:
        if root.dim() > 3:
            raise ValueError(f"{name} has shape {tuple(root.shape)}, expected (D, D) or (batch, D, D)")
        self.mean = as_parameter("mean", mean, like=root)
        self.scale_tril = root if root.dim() == 3 else root[None]
        self._check_values()
        shape = flattened_shape("mean", self.mean.shape, name, *self.scale_tril.shape[:2])
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
        super()._check_values()
        check_positive("the diagonal of scale_tril", self.scale_tril.diagonal(dim1=1, dim2=2))


def _solve(root: Tensor, columns: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(root, columns, upper=False)
