"""A few strong directions on top of independent dimensions: Σ = diag(d) + U Uᵀ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.flattened import fits_flattened, flattened_shape, on_columns
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    common_shape,
    expand_batch,
    sum_over_event,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LowRankPrior"]


class LowRankPrior(GaussianPrior):
    r"""$\Sigma = \operatorname{diag}(d) + U U^\top$ with few columns in U: offset noise, a fitted PCA.

    With $S = \operatorname{diag}(\sqrt d)$, $V = S^{-1}U$ and the QR decomposition $\binom{V}{I} =
    \binom{B}{C}T$, so that $C = T^{-1}$ and $B^\top B + C^\top C = I$,

    $$L = S\left(I + B\,[(I + C^\top)\,C]^{-1} B^\top\right), \qquad
    L^{-1} = \left(I - B\,(I + C)^{-1} B^\top\right) S^{-1}, \qquad
    \log\det\Sigma = \textstyle\sum_i \log d_i - 2\log\det C,$$

    as multiplying out shows; it is a root like that of Ambikasaran, O'Neil and Singh (arXiv 1405.0223). For
    events of D elements and r columns no D × D matrix is needed: `color` and `whiten` cost O(D r) time and
    memory, and the decomposition O(D r²), once. Its columns are orthonormal whatever U is, zero, huge or
    without full rank: the two stay each other's inverse and gradients finite. All is computed in float32 at
    least.

    Events have the shape that the parameters give them. If they are all numbers or flattened, any event of
    that many elements fits, and `event_shape` has them in one axis.

    Args:
        mean: μ, broadcastable to the data.
        diagonal: d > 0, a variance, broadcastable to the data.
        factor: U over flattened events, (D, r) for the whole batch or (batch, D, r); or (batch, …, r) with
            the axes of an event.

    Raises:
        ValueError: if a parameter is not finite, d is not positive (the message names its smallest value), or
            the parameters are not for the same events.

    Example:
        >>> offset = 0.1 * torch.eye(3).repeat_interleave(32 * 32, dim=0)  # a shift of each channel
        >>> prior = LowRankPrior(0.0, 1.0, offset)
        >>> prior.sample((4, 3, 32, 32)).shape
        torch.Size([4, 3, 32, 32])
    """

    def __init__(self, mean: Tensor | float, diagonal: Tensor | float, factor: Tensor) -> None:
        factor = as_parameter("factor", factor)
        if factor.dim() < 2:
            raise ValueError(f"factor has shape {tuple(factor.shape)}, expected (D, r) or (batch, …, r)")
        self.mean = as_parameter("mean", mean, like=factor)
        self.diagonal = as_parameter("diagonal", diagonal, like=factor)
        self._check_values()
        if factor.dim() > 3:
            self.diagonal = _over_event(self.diagonal, factor.shape[:-1])
        columns = rearrange(
            factor if factor.dim() > 2 else factor[None], "batch ... rank -> batch (...) rank"
        )
        given = common_shape(self.mean, "diagonal", self.diagonal.shape)
        shape = flattened_shape("mean and diagonal", given, "factor", *columns.shape[:2])
        self.event_shape = shape[1:]
        self.basis, self.shrinkage = _decompose(columns, self._flat_diagonal())
        self.mean, self.diagonal, self.basis, self.shrinkage = (
            expand_batch(tensor, shape) for tensor in (self.mean, self.diagonal, self.basis, self.shrinkage)
        )

    @property
    def factor(self) -> Tensor:
        """U over flattened events (batch, D, r), up to rounding."""
        scaled = torch.linalg.solve_triangular(self.shrinkage, self.basis, upper=True, left=False)
        return (self._flat_diagonal().to(scaled.dtype).sqrt() * scaled).to(self.diagonal.dtype)

    def color(self, z: Tensor) -> Tensor:
        z, std, result_dtype = self._prepare(z)
        return (std * (z + on_columns(_stretch, z, self.basis, self.shrinkage))).to(result_dtype)

    def whiten(self, r: Tensor) -> Tensor:
        r, std, result_dtype = self._prepare(r)
        scaled = r / std
        return (scaled - on_columns(_shrink, scaled, self.basis, self.shrinkage)).to(result_dtype)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        of_diagonal = sum_over_event(self.diagonal.log().expand(self.batch_size, *event_shape))
        return of_diagonal - 2 * sum_over_event(_diagonal(self.shrinkage).log()).to(of_diagonal.dtype)

    def to(self, device_or_dtype: torch.device | torch.dtype | str) -> Self:
        moved = super().to(device_or_dtype)
        # Rounded to half precision, the columns would not be orthonormal, nor `whiten` the inverse.
        dtype = torch.promote_types(moved.diagonal.dtype, torch.float32)
        moved.basis = self.basis.to(moved.mean.device, dtype)
        moved.shrinkage = self.shrinkage.to(moved.mean.device, dtype)
        return moved

    def _prepare(self, x: Tensor) -> tuple[Tensor, Tensor, torch.dtype]:
        """Data and √d in the dtype to compute in, and the dtype of the result."""
        self._check_event(x)
        result_dtype = torch.promote_types(x.dtype, self.diagonal.dtype)
        compute_dtype = torch.promote_types(result_dtype, torch.float32)
        return x.to(compute_dtype), self.diagonal.to(compute_dtype).sqrt(), result_dtype

    def _flat_diagonal(self) -> Tensor:
        """The diagonal over flattened events (batch or 1, D or 1, 1)."""
        if not self.diagonal.dim():
            return self.diagonal.reshape(1, 1, 1)
        over_event = self.diagonal.expand(len(self.diagonal), *self.event_shape)
        return rearrange(over_event, "batch ... -> batch (...) 1")

    def _variance(self, event_shape: torch.Size) -> Tensor:
        return self.diagonal + self.factor.square().sum(2).reshape(-1, *event_shape)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        shape = (max(self.batch_size, other.batch_size), *event_shape)
        if isinstance(other, DiagonalPrior):
            precision = other.std.square().reciprocal()
        elif isinstance(other, LowRankPrior):
            in_span = other.basis.square().sum(2)
            precision = (1 - in_span.reshape(-1, *event_shape)).to(other.diagonal.dtype) / other.diagonal
        else:
            return super()._trace_ratio(other, event_shape)
        trace = sum_over_event((self.diagonal * precision).expand(shape))
        for column in self.factor.unbind(2):
            trace = trace + other.mahalanobis(column.reshape(-1, *event_shape).expand(shape))
        return trace

    def _fits(self, shape: Sequence[int]) -> bool:
        return fits_flattened(shape, self.batch_size, self.basis.shape[1], [self.mean, self.diagonal])

    def _check_values(self) -> None:
        super()._check_values()
        check_positive("diagonal", self.diagonal)


def _over_event(diagonal: Tensor, shape: Sequence[int]) -> Tensor:
    """A diagonal for every element of an event, which so gives the event its shape."""
    if diagonal.dim() not in (0, len(shape)) or any(
        own not in (1, size) for own, size in zip(diagonal.shape[1:], shape[1:], strict=False)
    ):
        raise ValueError(
            f"diagonal has shape {tuple(diagonal.shape)} and factor is for data of shape {tuple(shape)}: "
            "both need as many dimensions as the data, or none, and each must be equal, or 1"
        )
    return diagonal.expand(len(diagonal) if diagonal.dim() else 1, *shape[1:])


def _decompose(factor: Tensor, diagonal: Tensor) -> tuple[Tensor, Tensor]:
    """B (batch, D, r) and the upper triangular C (batch, r, r) with a positive diagonal."""
    compute_dtype = torch.promote_types(torch.promote_types(factor.dtype, diagonal.dtype), torch.float32)
    scaled = as_parameter("factor / √diagonal", factor.to(compute_dtype) / diagonal.to(compute_dtype).sqrt())
    identity = torch.eye(scaled.shape[2], device=scaled.device, dtype=compute_dtype)
    # The large rows on top: so the small entries of C keep their relative precision.
    stacked = torch.cat([scaled, identity.expand(len(scaled), -1, -1)], dim=1)
    columns, triangle = torch.linalg.qr(stacked)
    columns = columns * _diagonal(triangle).sign()[:, None]
    return columns[:, : scaled.shape[1]], columns[:, scaled.shape[1] :].triu()


def _stretch(basis: Tensor, shrinkage: Tensor, columns: Tensor) -> Tensor:
    r"""$B\,[(I + C^\top)\,C]^{-1} B^\top$ times columns."""
    inner = _solve(_plus_identity(shrinkage).mT, basis.mT @ columns, upper=False)
    return basis @ _solve(shrinkage, inner, upper=True)


def _shrink(basis: Tensor, shrinkage: Tensor, columns: Tensor) -> Tensor:
    r"""$B\,(I + C)^{-1} B^\top$ times columns."""
    return basis @ _solve(_plus_identity(shrinkage), basis.mT @ columns, upper=True)


def _plus_identity(matrix: Tensor) -> Tensor:
    return matrix + torch.eye(matrix.shape[-1], device=matrix.device, dtype=matrix.dtype)


def _diagonal(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2)


_solve = torch.linalg.solve_triangular
