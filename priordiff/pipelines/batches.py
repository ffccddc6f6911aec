"""What callers give a pipeline: a batch as one array, or a list of items of any lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch", "indices_by_length", "items_of"]

Batch: TypeAlias = Tensor | np.ndarray | Sequence[Tensor | np.ndarray]


def items_of(name: str, batch: Batch, dimensions: Sequence[str]) -> list[Tensor]:
    """The items of a batch.

    Args:
        name: of the argument, for errors.
        batch: one array of them, a list, or a single item.
        dimensions: names of an item's dimensions.

    Raises:
        ValueError: if there are none, or one is not of floating dtype, finite and of those dimensions.
    """
    several = isinstance(batch, (list, tuple)) or np.ndim(batch) > len(dimensions)
    items: list[Any] = list(batch) if several else [batch]
    if not items:
        raise ValueError(f"{name} has no items, expected at least one")
    tensors = [torch.as_tensor(item) for item in items]
    for index, tensor in enumerate(tensors):
        if not tensor.is_floating_point():
            raise ValueError(f"{name}[{index}] has dtype {tensor.dtype}, expected floating-point numbers")
        if tensor.dim() != len(dimensions):
            expected = ", ".join(dimensions) + "," * (len(dimensions) == 1)
            raise ValueError(f"{name}[{index}] has shape {tuple(tensor.shape)}, expected ({expected})")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name}[{index}] holds NaN or infinity")
    return tensors


def indices_by_length(items: Sequence[Tensor]) -> list[list[int]]:
    """Where the items of each length of the last axis are, in the order in which the lengths first appear."""
    groups: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(item.shape[-1], []).append(index)
    return list(groups.values())
