"""Noise that is correlated along some axes, separably: Σ a Kronecker product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    cholesky_root,
    common_shape,
    event_axes,
    expand_batch,
)

__all__ = ["KroneckerPrior"]


class KroneckerPrior(GaussianPrior):
    r"""$\Sigma = \bigotimes_a \Sigma_a$ over axes $a$ of the data, with $\Sigma_a = I$ on those not named.

    Separable correlation, e.g. between the frames of a video, like the mixed noise of PYoCo (Ge et al.,
    ICCV 2023). $L$ is the Kronecker product of the Cholesky factors, applied axis by axis: `color` and
    `whiten` cost $O(D \sum_a n_a)$ for axes of $n_a$ entries. They compute in float32 at least.

    Args:
        mean: μ, broadcastable to the data; a number, or a tensor with as many dimensions as the data.
        covariances: $\Sigma_a$ of shape $(n_a, n_a)$, or (batch, $n_a$, $n_a$), for axes of the data, whose
            axis 0 is the batch. If the mean is a number, data may have more axes than are named here, so
            that all must be counted from the same end.

    Raises:
        ValueError: if no axis or one that is not of an event is named, a parameter is not finite, or a
            covariance is not symmetric, not positive definite (with its smallest eigenvalue) or does not
            fit the mean.

    Example:
        >>> frames = torch.full((16, 16), 0.5) + 0.5 * torch.eye(16)
        >>> prior = KroneckerPrior(0.0, {2: frames})  # video (batch, channels, frames, height, width)
        >>> prior.sample((1, 3, 16, 8, 8)).shape
        torch.Size([1, 3, 16, 8, 8])
    """

    def __init__(self, mean: Tensor | float, covariances: Mapping[int, Tensor]) -> None:
        if not covariances:
            raise ValueError("covariances names no axis, expected at least one")
        roots = {axis: _root(axis, covariance) for axis, covariance in covariances.items()}
        self.mean = as_parameter("mean", mean, like=next(iter(roots.values())))
        if self.mean.dim():
            axes = event_axes("the axes of covariances", roots, self.mean.dim())
            roots = dict(zip(axes, roots.values(), strict=True))
        elif min(roots) < 0 < max(roots):
            raise ValueError(
                f"the axes of covariances={list(roots)} are counted from both ends: count from one, or give "
                "a mean with as many dimensions as the data"
            )
        shape = common_shape(self.mean, "covariances", _samples(roots, self.mean.dim()))
        self.event_shape = shape[1:]
        self.mean = expand_batch(self.mean, shape)
        self.roots = {axis: expand_batch(root, shape) for axis, root in roots.items()}

    def color(self, z: Tensor) -> Tensor:
        return self._along_axes(torch.matmul, z)

    def whiten(self, r: Tensor) -> Tensor:
        return self._along_axes(_solve, r)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        log_dets = [
            2 * root.diagonal(dim1=1, dim2=2).log().sum(1) * (math.prod(event_shape) // root.shape[-1])
            for root in self.roots.values()
        ]
        return torch.stack(log_dets).sum(0).expand(self.batch_size)

    def _along_axes(self, operation: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        self._check_event(x)
        result_dtype = reduce(torch.promote_types, (root.dtype for root in self.roots.values()), x.dtype)
        compute_dtype = torch.promote_types(result_dtype, torch.float32)
        x = x.to(compute_dtype)
        # Autocast would round a product, and `whiten` not be the inverse of `color`.
        with torch.autocast(x.device.type, enabled=False):
            for axis, root in self._roots_of(x.dim()).items():
                columns = x.movedim(axis, 1)
                product = operation(root.to(compute_dtype), columns.reshape(*columns.shape[:2], -1))
                x = product.reshape(columns.shape).movedim(1, axis)
        return x.to(result_dtype).contiguous()

    def _roots_of(self, dims: int) -> dict[int, Tensor]:
        """The roots, by axis of data with so many dimensions, counted from the first."""
        return {axis % dims: root for axis, root in self.roots.items()}

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, KroneckerPrior):
            return super()._trace_ratio(other, event_shape)
        compute_dtype = torch.promote_types(self.mean.dtype, torch.float32)
        ours, theirs = (prior._roots_of(1 + len(event_shape)) for prior in (self, other))
        ratio = torch.ones(1, device=self.mean.device, dtype=compute_dtype)
        for axis, size in enumerate(event_shape, start=1):
            identity = torch.eye(size, device=self.mean.device, dtype=compute_dtype)[None]
            root, other_root = (roots.get(axis, identity).to(compute_dtype) for roots in (ours, theirs))
            ratio = ratio * _solve(other_root, root).square().sum((1, 2))
        return ratio.to(self.mean.dtype).expand(max(self.batch_size, other.batch_size))

    def _fits(self, shape: Sequence[int]) -> bool:
        dims = len(shape)
        if dims <= len(self.event_shape):
            return False
        # A covariance of one entry does not broadcast: it says what the data have there.
        if any(shape[axis] != root.shape[-1] for axis, root in self._roots_of(dims).items()):
            return False
        return super()._fits(shape) if self.mean.dim() else self.batch_size in (1, shape[0])

    def _check_values(self) -> None:
        super()._check_values()
        for axis, root in self.roots.items():
            check_positive(f"the diagonal of the root of covariances[{axis}]", root.diagonal(dim1=1, dim2=2))


def _root(axis: int, covariance: Tensor) -> Tensor:
    """The Cholesky factor (batch or 1, n, n) of a covariance (n, n) or (batch, n, n)."""
    name = f"covariances[{axis}]"
    root = cholesky_root(name, as_parameter(name, covariance))
    if root.dim() > 3:
        raise ValueError(f"{name} has shape {tuple(root.shape)}, expected (n, n) or (batch, n, n)")
    return root if root.dim() == 3 else root[None]


def _samples(roots: Mapping[int, Tensor], dims: int) -> list[int]:
    """The shape, batch first, of data of so many dimensions (0: of as few as may be) that the roots fit."""
    dims = dims or 1 + max(abs(axis) for axis in roots)
    shape = [max(len(root) for root in roots.values()), *[1] * (dims - 1)]
    axes = event_axes("the axes of covariances", roots, dims)
    for axis, (given, root) in zip(axes, roots.items(), strict=True):
        if len(root) not in (1, shape[0]):
            raise ValueError(
                f"covariances[{given}] holds {len(root)} matrices and another axis {shape[0]}: expected "
                "as many, or one"
            )
        shape[axis] = root.shape[-1]
    return shape


def _solve(root: Tensor, columns: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(root, columns, upper=False)
