"""Priors of every structure over events of shape (2, 8), and the same Gaussians as matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from priordiff import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    MaskedPrior,
    PaddedPrior,
    SpectralPrior,
    StftPrior,
)

MakePrior = Callable[[int], GaussianPrior]

EVENT = (2, 8)
HOP_LENGTH = 4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.2


def covariance(*shape: int, seed: int = 0) -> Tensor:
    """Positive definite matrices of a shape (…, n, n)."""
    factor = random(*shape, seed=seed)
    identity = torch.eye(shape[-1], dtype=torch.float64, device=factor.device)
    return factor @ factor.mT / shape[-1] + 0.2 * identity


def symmetric_power(batch: int) -> Tensor:
    """A power over both axes of an event, the first of them halved."""
    power = positive(batch, *EVENT)
    return power + power.flip(2).roll(1, 2)


def first_elements(batch: int) -> Tensor:
    """A mask that leaves 4, 8 and 6 of the last axis' elements."""
    return torch.arange(EVENT[1]) < torch.tensor([4, 8, 6])[:batch, None, None]


# Name: the batch to the prior. A prior whose parameters do not depend on the batch serves any.
PRIORS: dict[str, MakePrior] = {
    "diagonal": lambda batch: DiagonalPrior(random(batch, *EVENT), positive(batch, *EVENT)),
    "diagonal, mean for the batch": lambda batch: DiagonalPrior(random(batch, 1, 1), 0.7),
    "diagonal, mean for one": lambda batch: DiagonalPrior(random(1, *EVENT), positive(batch, 1, 8)),
    "diagonal, std for one": lambda batch: DiagonalPrior(random(batch, 2, 1), positive(1, 1, 8)),
    "diagonal, std a 0-d tensor": lambda batch: DiagonalPrior(random(batch, *EVENT), positive()),
    "isotropic": lambda batch: DiagonalPrior(1.5, torch.tensor(0.3, dtype=torch.float64)),
    "lapped": lambda batch: LappedPrior(random(batch, *EVENT), positive(batch, 2, 2, 4), HOP_LENGTH),
    "lapped, one block": lambda batch: LappedPrior(0.5, positive(batch, 2, 1, 8), 8),
    "lapped, std for one": lambda batch: LappedPrior(random(batch, 1, 1), positive(1, 1, 2, 4), HOP_LENGTH),
    "lapped, mean for one": lambda batch: LappedPrior(random(1, *EVENT), positive(batch, 1, 4, 2), 2),
    "spectral": lambda batch: SpectralPrior(random(batch, *EVENT), positive(batch, 2, 5), [-1]),
    "spectral, power for one": lambda batch: SpectralPrior(random(batch, 1, 1), positive(1, 1, 5), [2]),
    "spectral, two axes": lambda batch: SpectralPrior(0.5, positive(batch, 2, 5), [1, 2]),
    "spectral, halved along the first": lambda batch: SpectralPrior(0.5, symmetric_power(batch), [2, 1]),
    "spectral, mean for one": lambda batch: SpectralPrior(random(1, *EVENT), positive(batch, 2, 1), [-2]),
    "stft": lambda batch: StftPrior(random(batch, *EVENT), positive(batch, 2, 4, 3), 2),
    "stft, gain for one": lambda batch: StftPrior(random(batch, 1, 1), positive(1, 1, 2, 5), HOP_LENGTH),
    "stft, mean for one": lambda batch: StftPrior(random(1, *EVENT), positive(batch, 1, 8, 3), 1),
    "kronecker": lambda batch: KroneckerPrior(
        random(batch, *EVENT), {1: covariance(batch, 2, 2), 2: covariance(batch, 8, 8)}
    ),
    "kronecker, covariance for one": lambda batch: KroneckerPrior(
        random(batch, 1, 1), {-1: covariance(8, 8), 1: covariance(batch, 2, 2)}
    ),
    "kronecker, mean for one": lambda batch: KroneckerPrior(random(1, *EVENT), {1: covariance(batch, 2, 2)}),
    "dense": lambda batch: DensePrior(random(batch, *EVENT), covariance(batch, 16, 16)),
    "dense, covariance for one": lambda batch: DensePrior(random(batch, 2, 1), covariance(16, 16)),
    "dense, mean for one": lambda batch: DensePrior(random(1, *EVENT), covariance(batch, 16, 16)),
    "low rank": lambda batch: LowRankPrior(
        random(batch, *EVENT), positive(batch, *EVENT), random(batch, 16, 3)
    ),
    "low rank, factor for one": lambda batch: LowRankPrior(random(batch, 2, 1), 0.7, random(*EVENT, 2)[None]),
    "low rank, mean for one": lambda batch: LowRankPrior(
        random(1, *EVENT), positive(1, 1, 8), random(batch, 16, 1)
    ),
    "masked": lambda batch: MaskedPrior(
        LowRankPrior(random(batch, *EVENT), 0.7, random(16, 2)), first_elements(batch)
    ),
    "padded": lambda batch: PaddedPrior(
        [
            LappedPrior(random(1, 2, 4), positive(1, 2, 1, 4), HOP_LENGTH),
            DensePrior(random(1, *EVENT), covariance(16, 16)),
            KroneckerPrior(random(1, 2, 6), {1: covariance(2, 2)}),
        ][:batch],
        first_elements(batch),
    ),
}


@dataclass
class Dense:
    """The same Gaussians as explicit matrices, over flattened events."""

    root: Tensor
    gaussian: torch.distributions.MultivariateNormal


def dense(prior: GaussianPrior, batch: int) -> Dense:
    size = EVENT[0] * EVENT[1]
    columns = [
        prior.color(unit.reshape(1, *EVENT).expand(batch, *EVENT)).reshape(batch, size)
        for unit in torch.eye(size, dtype=torch.float64)
    ]
    root = torch.stack(columns, dim=-1)
    mean = prior.mean.expand(batch, *EVENT).reshape(batch, size)
    return Dense(root, torch.distributions.MultivariateNormal(mean, root @ root.mT))
