"""The invariants for every structure that Σ may have."""

from __future__ import annotations

import pytest
import torch

from priordiff import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    PaddedPrior,
    SpectralPrior,
    StftPrior,
)
from tests.priors.cases import EVENT, PRIORS
from tests.schedulers.drivers import BATCH, make, sample, white_noise_for
from tests.schedulers.identity import deviation_from_plain, tolerance
from tests.schedulers.networks import MODEL_SPACES, white_network

# One-step, multistep, second-order and stochastic solvers, and flows.
SOLVERS = [
    "DDIMScheduler",
    "DDPMScheduler",
    "EulerAncestralDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "SASolverScheduler",
    "UniPCMultistepScheduler",
]
STANDARD: dict[str, GaussianPrior] = {
    "dense": DensePrior(0.0, torch.eye(16)),
    "diagonal": DiagonalPrior(0.0, torch.ones(1, *EVENT)),
    "isotropic": DiagonalPrior(0.0, 1.0),
    "kronecker": KroneckerPrior(0.0, {1: torch.eye(2), 2: torch.eye(8)}),
    "lapped": LappedPrior(0.0, torch.ones(1, 2, 2, 4), 4),
    "low rank": LowRankPrior(0.0, torch.ones(1, *EVENT), torch.zeros(1, *EVENT, 3)),
    "padded": PaddedPrior([DiagonalPrior(0.0, torch.ones(1, *EVENT))] * BATCH, torch.ones(BATCH, 1, 8)),
    "spectral": SpectralPrior(0.0, torch.ones(1, 2, 5), [-1]),
    "stft": StftPrior(0.0, torch.ones(1, 2, 4, 3), 2),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("structure", PRIORS)
def test_states_are_the_coloured_states_of_the_plain_scheduler(structure: str, name: str) -> None:
    assert deviation_from_plain(name, PRIORS[structure](BATCH)) < tolerance(name)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("structure", PRIORS)
def test_the_model_s_space_changes_nothing(structure: str, model_space: str) -> None:
    prior, config = PRIORS[structure](BATCH), {"prediction_type": "v_prediction"}
    assert deviation_from_plain("DDIMScheduler", prior, model_space, config) < tolerance(
        "DDIMScheduler", model_space, config
    )


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("structure", STANDARD)
def test_the_standard_prior_changes_no_bit(structure: str, name: str) -> None:
    white_noise = white_noise_for(name, torch.float32)
    scheduler = make(name, prior=True)
    scheduler.set_prior(STANDARD[structure])
    expected = sample(make(name), white_network, white_noise)
    states = sample(scheduler, white_network, white_noise)
    assert all(torch.equal(x, z) for x, z in zip(states, expected, strict=True))


def test_every_structure_has_its_standard_prior_here() -> None:
    assert {type(make_prior(1)) for make_prior in PRIORS.values()} == {type(p) for p in STANDARD.values()}
