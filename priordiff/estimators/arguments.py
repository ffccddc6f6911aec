"""What estimators check of their arguments and of the data that they are fitted to."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from priordiff.value_checks import values_are_checked

__all__ = ["check_items", "check_labels", "check_positive"]


def check_positive(shape: Sequence[int] = (), **values: float) -> None:
    """Checks that numbers and the sizes of a shape are positive.

    Args:
        shape: of one item.
        **values: by the names of the arguments.

    Raises:
        ValueError: if one is not; the message names it.

    Example:
        >>> check_positive(shape=(3, 0), floor=0.1)
        Traceback (most recent call last):
        ValueError: shape[1]=0 must be positive
    """
    sizes = {f"shape[{index}]": size for index, size in enumerate(shape)}
    for name, value in {**values, **sizes}.items():
        if not value > 0:
            raise ValueError(f"{name}={value} must be positive")


def check_items(data: Tensor, shape: Sequence[int]) -> None:
    """Checks that data are a batch of items of a shape.

    Args:
        data: (batch, *shape).
        shape: of one item.

    Raises:
        ValueError: if they are not; the message names both shapes.
    """
    if data.shape[1:] != tuple(shape):
        raise ValueError(f"data have shape {tuple(data.shape)}, expected (batch, {str(list(shape))[1:-1]})")


def check_labels(labels: Tensor, num_classes: int, advice: str) -> None:
    """Checks that labels are those of so many classes.

    Args:
        labels: of any shape.
        num_classes: labels lie in 0…num_classes − 1.
        advice: what to do about one that does not.

    Raises:
        ValueError: if one does not, or they are no integers; the message names it.

    Example:
        >>> import torch
        >>> check_labels(torch.tensor([0, 3]), 3, "make it with more num_classes")
        Traceback (most recent call last):
        ValueError: label 3 does not lie in 0…2: make it with more num_classes
    """
    if labels.is_floating_point():
        raise ValueError(f"labels have dtype {labels.dtype}, expected integers")
    if not values_are_checked():
        return
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        raise ValueError(f"label {int(labels[outside][0])} does not lie in 0…{num_classes - 1}: {advice}")
