"""Which part of an image is hidden, for inpainting: a half, the middle, or a rectangle anywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff.training.data import seed_for

__all__ = ["hole"]

_KINDS = ("half", "middle", "rectangle")
# Sides of a rectangle, as shares of the image's.
_SMALLEST, _LARGEST = 0.25, 0.75


def hole(name: str, size: int, seed: int) -> Tensor:
    """Where an image is hidden: a function of its name and a seed, the same in every run.

    One of three kinds with equal chances: the left, right, upper or lower half; the middle, of half its
    height and width; or a rectangle anywhere, with sides of a quarter to three quarters of the image's.

    Args:
        name: of the image.
        size: its height and width in pixels.
        seed: for another hole in the same image.

    Returns:
        bool (1, size, size), True where it is hidden.

    Example:
        >>> hole("1F34E", 64, seed=0).shape
        torch.Size([1, 64, 64])
    """
    random = torch.Generator().manual_seed(seed_for(seed, f"hole of {name}", 0))
    kind = _KINDS[_integer(0, len(_KINDS), random)]
    if kind == "half":
        start = _integer(0, 2, random) * (size - size // 2)
        rows, columns = (slice(start, start + size // 2), slice(None))
        if _integer(0, 2, random):
            rows, columns = columns, rows
    elif kind == "middle":
        rows = columns = slice(size // 4, size - size // 4)
    else:
        rows, columns = (_span(size, random) for _ in range(2))
    hidden = torch.zeros(1, size, size, dtype=torch.bool)
    hidden[:, rows, columns] = True
    return hidden


def _span(size: int, random: torch.Generator) -> slice:
    length = _integer(max(1, round(_SMALLEST * size)), round(_LARGEST * size) + 1, random)
    start = _integer(0, size - length + 1, random)
    return slice(start, start + length)


def _integer(low: int, high: int, random: torch.Generator) -> int:
    return int(torch.randint(low, high, (), generator=random))
