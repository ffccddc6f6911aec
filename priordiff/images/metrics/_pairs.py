"""What every measure over pairs of features does first."""

from __future__ import annotations

from torch import Tensor

__all__ = ["blocks", "in_double"]

_ROWS = 1024


def blocks(features: Tensor) -> tuple[Tensor, ...]:
    """Some rows at a time: a matrix over all pairs of images need not be in memory at once."""
    return features.split(_ROWS)


def in_double(features: Tensor) -> Tensor:
    """In float64, which Apple's GPUs lack: theirs are moved to the CPU."""
    features = features.detach()
    return (features.cpu() if features.device.type == "mps" else features).double()
