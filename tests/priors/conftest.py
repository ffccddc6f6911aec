from __future__ import annotations

import pytest

from priordiff import GaussianPrior
from tests.priors.cases import PRIORS, MakePrior


@pytest.fixture(params=PRIORS)
def make_prior(request: pytest.FixtureRequest) -> MakePrior:
    """Makes one of several priors in float64 that fit data of shape (batch, 2, 8)."""
    return PRIORS[request.param]


@pytest.fixture
def prior(make_prior: MakePrior) -> GaussianPrior:
    return make_prior(3)
