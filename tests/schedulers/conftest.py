from __future__ import annotations

import pytest
import torch

from priordiff import DiagonalPrior, GaussianPrior, LappedPrior

HOP_LENGTH = 4
SHAPE = (3, 1, 8)


def diagonal_prior(batch: int) -> GaussianPrior:
    random = torch.Generator().manual_seed(1)
    mean = torch.randn(batch, *SHAPE[1:], generator=random, dtype=torch.float64)
    return DiagonalPrior(mean, torch.rand(mean.shape, generator=random, dtype=torch.float64) + 0.2)


def lapped_prior(batch: int) -> GaussianPrior:
    random = torch.Generator().manual_seed(2)
    mean = torch.randn(batch, *SHAPE[1:], generator=random, dtype=torch.float64)
    blocks = (batch, 1, SHAPE[-1] // HOP_LENGTH, HOP_LENGTH)
    return LappedPrior(mean, torch.rand(blocks, generator=random, dtype=torch.float64) + 0.2, HOP_LENGTH)


PRIORS = {
    "diagonal": lambda: diagonal_prior(SHAPE[0]),
    "one diagonal for all": lambda: diagonal_prior(1),
    "isotropic": lambda: DiagonalPrior(1.5, 0.3),
    "lapped": lambda: lapped_prior(SHAPE[0]),
}


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> GaussianPrior:
    """One of several priors that fit float64 data of shape (3, 1, 8)."""
    return PRIORS[request.param]()


@pytest.fixture
def x0() -> torch.Tensor:
    return 2 * torch.randn(SHAPE, dtype=torch.float64) + 1


@pytest.fixture
def white_noise() -> torch.Tensor:
    return torch.randn(SHAPE, dtype=torch.float64)
