"""What the constructors of priors share: reading and checking their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from einops import reduce
from torch import Tensor

from priordiff.value_checks import values_are_checked

__all__ = [
    "as_parameter",
    "check_positive",
    "cholesky_root",
    "common_shape",
    "event_axes",
    "expand_batch",
    "sum_over_event",
]


def sum_over_event(values: Tensor) -> Tensor:
    """The sum of each batch item's values, shape (batch,)."""
    return reduce(values, "batch ... -> batch", "sum")


def expand_batch(parameter: Tensor, shape: torch.Size) -> Tensor:
    """A parameter for the whole batch of data of a given shape, unless it is a number."""
    # A parameter that is whole already stays the caller's own, so that a prior of leaf tensors can be copied.
    if not parameter.dim() or len(parameter) == shape[0]:
        return parameter
    return parameter.expand(shape[0], *parameter.shape[1:])


def as_parameter(name: str, value: Tensor | float, like: Tensor | float | None = None) -> Tensor:
    """`value` as a finite floating tensor, on the device and of the dtype of `like` if `value` is a number.

    Raises:
        ValueError: if it is not floating or holds NaN or infinity.
    """
    if not isinstance(value, Tensor):
        if isinstance(like, Tensor) and like.is_floating_point():
            value = torch.full((), float(value), device=like.device, dtype=like.dtype)
        else:
            value = torch.tensor(float(value))
    if not value.is_floating_point():
        raise ValueError(f"{name} has dtype {value.dtype}, expected a floating dtype")
    # A sum takes one pass; it is never finite where a value is not, but may overflow.
    if values_are_checked() and not (torch.isfinite(value.sum()) or torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} holds {bad} NaN or infinite values in {value.dtype}")
    return value


def check_positive(name: str, values: Tensor) -> None:
    """Raises a ValueError that names the smallest value unless all are positive."""
    if values_are_checked() and values.numel() and not values.min() > 0:
        raise ValueError(
            f"{name} must be positive everywhere, its smallest value in {values.dtype} is "
            f"{float(values.min()):g}"
        )


def cholesky_root(name: str, covariance: Tensor) -> Tensor:
    r"""The lower triangular $L$ with $\Sigma = L L^\top$ of covariances (…, n, n), in their own dtype.

    It is computed in float32 at least. What is symmetric up to rounding is made symmetric.

    Raises:
        ValueError: if the matrices are not square, not symmetric, or not positive definite; the message then
            names their smallest eigenvalue.
    """
    if covariance.dim() < 2 or covariance.shape[-1] != covariance.shape[-2]:
        raise ValueError(f"{name} has shape {tuple(covariance.shape)}, expected square matrices (…, n, n)")
    full = covariance.to(torch.promote_types(covariance.dtype, torch.float32))
    asymmetry = (full - full.mT).abs().max()
    if asymmetry > (1e-5 + 2 * torch.finfo(covariance.dtype).eps) * full.abs().max():
        raise ValueError(
            f"{name} must be symmetric, it differs from its transpose by up to {float(asymmetry):g}"
        )
    symmetric = (full + full.mT) / 2
    root, failed = torch.linalg.cholesky_ex(symmetric)
    if failed.any():
        eigenvalues = torch.linalg.eigvalsh(symmetric[failed > 0].detach().cpu().double())
        raise ValueError(
            f"{name} must be positive definite, its smallest eigenvalue is {float(eigenvalues.min()):g} (its "
            f"largest {float(eigenvalues.max()):g}): add some multiple of the identity to it"
        )
    return root.to(covariance.dtype)


def event_axes(name: str, axes: Iterable[int], dims: int) -> tuple[int, ...]:
    """Axes of an event, counted from the first axis of data with so many dimensions, batch included.

    Raises:
        ValueError: if one is the batch, beyond the data, or there twice.
    """
    axes = tuple(axes)
    counted = tuple(axis + dims if axis < 0 else axis for axis in axes)
    if len(set(counted)) < len(counted) or not set(counted) <= set(range(1, dims)):
        raise ValueError(
            f"{name}={list(axes)} must be different axes of data with {dims} dimensions, without axis 0, the "
            "batch"
        )
    return counted


def common_shape(mean: Tensor, name: str, shape: Sequence[int]) -> torch.Size:
    """The shape, batch first, of data that fit a mean and a covariance for data of a given shape.

    Args:
        mean: μ.
        name: what the covariance's parameter is called.
        shape: shape of the data that the covariance fits, batch first; empty for a number.

    Raises:
        ValueError: if the two do not broadcast, or have different numbers of dimensions.
    """
    if mean.dim() and shape and mean.dim() != len(shape):
        raise ValueError(
            f"mean has shape {tuple(mean.shape)} and {name} is for data of shape {tuple(shape)}: both need "
            "as many dimensions as the data, or none"
        )
    try:
        return torch.broadcast_shapes(mean.shape, tuple(shape))
    except RuntimeError as error:
        raise ValueError(
            f"mean of shape {tuple(mean.shape)} and {name} for data of shape {tuple(shape)} do not broadcast"
        ) from error
