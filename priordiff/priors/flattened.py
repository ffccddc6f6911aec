"""What covariances over the flattened event share: which events they are for, and products with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor

__all__ = ["fits_flattened", "flattened_shape", "on_columns"]


def flattened_shape(parameters: str, shape: Sequence[int], name: str, batch: int, size: int) -> torch.Size:
    """The shape, batch first, of data that fit a covariance over flattened events of a given size.

    Args:
        parameters: what the parameters of the data's own shape are called.
        shape: what these broadcast to, batch first; empty if they are numbers.
        name: what the covariance's parameter is called.
        batch: number of covariances.
        size: elements of an event.

    Returns:
        The batch, then the event that the parameters have. Where they broadcast over several axes, they leave
        open how its elements are arranged: they are then all in the last of these.

    Raises:
        ValueError: if the batches do not broadcast, or no event of this size is one that the parameters
            broadcast to.
    """
    own_batch, *event = shape or (1, 1)
    missing, rest = divmod(size, math.prod(event))
    if len({own_batch, batch} - {1}) > 1 or rest or (missing > 1 and 1 not in event):
        raise ValueError(
            f"{parameters} of shape {tuple(shape)} and {name} for {batch} Gaussians over events of {size} "
            "elements do not fit: expected the batch first, equal or 1, then an event of as many elements"
        )
    if missing > 1:
        event[len(event) - 1 - event[::-1].index(1)] = missing
    return torch.Size((max(own_batch, batch), *event))


def fits_flattened(shape: Sequence[int], batch: int, size: int, parameters: Sequence[Tensor]) -> bool:
    """Whether data of a shape, batch first, are events of a size that all parameters broadcast to."""
    return (
        len(shape) > 0
        and batch in (1, shape[0])
        and math.prod(shape[1:]) == size
        and all(
            len(parameter.shape) == len(shape)
            and all(own in (1, wanted) for own, wanted in zip(parameter.shape, shape, strict=True))
            for parameter in parameters
            if parameter.dim()
        )
    )


def on_columns(operation: Callable[..., Tensor], x: Tensor, *matrices: Tensor) -> Tensor:
    """An operation of linear algebra with the flattened events of data as its columns.

    Args:
        operation: takes the matrices, in the data's dtype, and columns (…, D, n); returns such columns.
        x: data (batch, …) with D elements for each item.
        matrices: for each item, or for all (batch or 1, …).

    Returns:
        The columns that come out, in the shape of the data.
    """
    # Matrices for all items, whether they are one or expanded, take these together as their columns.
    shared = all(len(matrix) == 1 or matrix.stride(0) == 0 for matrix in matrices)
    flat, columns = "batch element", "1 element batch" if shared else "batch element 1"
    operands = [(matrix[:1] if shared else matrix).to(x.dtype) for matrix in matrices]
    # Autocast would round a product, and `whiten` not be the inverse of `color`.
    with torch.autocast(x.device.type, enabled=False):
        events = x.reshape(len(x), math.prod(x.shape[1:]))
        result = operation(*operands, rearrange(events, f"{flat} -> {columns}"))
    return rearrange(result, f"{columns} -> {flat}").reshape(x.shape)
