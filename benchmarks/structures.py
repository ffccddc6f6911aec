"""Covariance structures over events of growing size, and what their operations are claimed to cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from priordiff import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    SpectralPrior,
    StftPrior,
)

__all__ = ["STRUCTURES", "Structure", "low_rank", "operations_of", "structures_of"]


@dataclass(frozen=True)
class Structure:
    """One covariance structure.

    Attributes:
        make: from D and a function that makes positive tensors of a shape to the prior.
        cost: what `color` and `whiten` are claimed to cost, as a function of D, up to a factor.
        event_shape: from D to the shape of an event.
        largest: largest D that is measured.
    """

    make: Callable[[int, Callable[..., Tensor]], GaussianPrior]
    cost: Callable[[int], float] = float
    event_shape: Callable[[int], tuple[int, ...]] = lambda size: (1, size)
    largest: int = 2**24


def _fast_transform(size: int) -> float:
    return size * math.log(size)


def _correlated(axis_length: int) -> Structure:
    """A Kronecker product of one covariance along an axis of a given length and the identity."""

    def make(size: int, positive: Callable[..., Tensor]) -> GaussianPrior:
        factor = positive(axis_length, axis_length)
        return KroneckerPrior(0.0, {1: factor @ factor.mT + torch.eye(axis_length).to(factor)})

    return Structure(make, event_shape=lambda size: (axis_length, size // axis_length))


def low_rank(rank: int) -> Structure:
    """Of a few strong directions."""
    return Structure(
        lambda size, positive: LowRankPrior(0.0, positive(1, 1, size), positive(size, rank) / size**0.5)
    )


def _dense(size: int, positive: Callable[..., Tensor]) -> GaussianPrior:
    factor = positive(size, 4)
    return DensePrior(0.0, factor @ factor.mT + torch.eye(size).to(factor))


STRUCTURES = {
    "diagonal": Structure(lambda size, positive: DiagonalPrior(0.0, positive(1, 1, size))),
    "low rank, r = 8": low_rank(8),
    "low rank, r = 32": low_rank(32),
    "spectral": Structure(
        lambda size, positive: SpectralPrior(0.0, positive(1, 1, size // 2 + 1), [-1]), _fast_transform
    ),
    "lapped, H = 256": Structure(
        lambda size, positive: LappedPrior(0.0, positive(1, 1, size // 256, 256), 256)
    ),
    "Kronecker, n = 16": _correlated(16),
    "Kronecker, n = 64": _correlated(64),
    "STFT, W = 256": Structure(
        lambda size, positive: StftPrior(0.0, positive(1, 1, size // 64, 129), 64), largest=2**18
    ),
    "dense": Structure(_dense, lambda size: size**2, largest=2**12),
}


def structures_of(size: int) -> dict[str, Structure]:
    """Those that are measured over events of so many elements."""
    return {name: structure for name, structure in STRUCTURES.items() if size <= structure.largest}


def operations_of(structure: Structure, size: int, device: torch.device) -> dict[str, Callable[[], Any]]:
    """Calls of a prior with random parameters on one event of float32."""

    def positive(*shape: int) -> Tensor:
        return torch.rand(shape, device=device) + 0.5

    prior, event = structure.make(size, positive), structure.event_shape(size)
    x = torch.randn(1, *event, device=device)
    return {
        "color": partial(prior.color, x),
        "whiten": partial(prior.whiten, x),
        "log_det": partial(prior.log_det, event),
        "sample": partial(prior.sample, x.shape, device=device, dtype=x.dtype),
        "log_prob": partial(prior.log_prob, x),
    }
