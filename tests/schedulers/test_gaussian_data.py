"""Gaussian data with its exact denoiser: samples have the data's mean and covariance, whatever the prior.

The exact denoiser of Gaussian data is affine, so a solver is an affine map of the noise it is given, found by
sampling from zero and from each unit vector: no Monte Carlo.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import GaussianPrior, PriorGradScheduler
from priordiff.schedulers import prediction_weights, signal_and_noise_scale
from tests.priors.cases import EVENT, PRIORS, covariance, dense, random
from tests.schedulers.drivers import make

SIZE = EVENT[0] * EVENT[1]
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
# So many steps, and how far a mean, in standard deviations, or a correlation may be off after them. The betas
# are so large that nothing is left of the data at the first step; UniPC's flow began at 0.999 instead of 1 in
# old releases of diffusers, which the shift makes 0.9995.
SOLVERS: dict[str, tuple[dict[str, Any], int, float]] = {
    "DDIMScheduler": ({"beta_end": 0.04, "timestep_spacing": "trailing", "clip_sample": False}, 200, 0.03),
    "DPMSolverMultistepScheduler": ({"beta_end": 0.04, "model_space": "data"}, 100, 0.005),
    "FlowMatchHeunDiscreteScheduler": ({"model_space": "data"}, 50, 0.005),
    "HeunDiscreteScheduler": (
        {"beta_end": 0.04, "use_karras_sigmas": True, "model_space": "white"},
        60,
        0.05,
    ),
    "UniPCMultistepScheduler": ({**FLOW, "flow_shift": 2.0, "model_space": "white"}, 50, 0.01),
}


def data() -> tuple[Tensor, Tensor]:
    """Mean and covariance of the data, flattened."""
    return random(SIZE, seed=5), covariance(SIZE, SIZE, seed=6)


def exact_network(scheduler: Any, prior: GaussianPrior) -> Any:
    """The best prediction, E[target | x_t], for data N(m, S) noised with N(0, Σ), of one item for all."""
    mean, spread = data()
    root = dense(prior, 1).root[0]
    own_mean = prior.mean.expand(1, *EVENT).reshape(SIZE)

    def network(x: Tensor, t: Any) -> Tensor:
        like = x.new_zeros(1, 1)
        signal, noise = (float(scale) for scale in signal_and_noise_scale(scheduler, t.reshape(1), like))
        data_weight, noise_weight = (
            float(weight) for weight in prediction_weights(scheduler, t.reshape(1), like)
        )
        r = x.flatten(1) - own_mean - signal * (mean - own_mean)
        total = signal**2 * spread + noise**2 * root @ root.mT
        explained = torch.linalg.solve(total, r.mT).mT
        x0 = mean + signal * explained @ spread
        white = noise * explained @ root
        if scheduler.model_space == "white":
            target = data_weight * torch.linalg.solve(root, (x0 - own_mean).mT).mT + noise_weight * white
        else:
            shift = own_mean if scheduler.model_space == "centered" else 0.0
            target = data_weight * (x0 - shift) + noise_weight * white @ root.mT
        return target.reshape(x.shape)

    return network


def moments(scheduler: Any, prior: GaussianPrior, steps: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance of what a deterministic sampling returns."""
    scheduler.set_prior(prior)
    scheduler.set_timesteps(steps)
    network = exact_network(scheduler, prior)
    starts = torch.cat([torch.zeros(1, SIZE), torch.eye(SIZE)]).double().reshape(-1, *EVENT)
    x = starts * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        x = scheduler.step(network(x, t), t, x).prev_sample
    columns = (x[1:] - x[:1]).flatten(1)
    return x[0].flatten(), columns.mT @ columns


def assert_moments_are_the_data_s(found: tuple[Tensor, Tensor], tolerance: float) -> None:
    mean, spread = data()
    std = spread.diagonal().sqrt()
    torch.testing.assert_close(found[0] / std, mean / std, rtol=0, atol=tolerance)
    torch.testing.assert_close(found[1] / std.outer(std), spread / std.outer(std), rtol=0, atol=tolerance)


def stochastic_moments(scheduler: Any, prior: GaussianPrior, **options: Any) -> tuple[Tensor, Tensor]:
    """Mean and covariance through the steps of a solver that takes its noise from the caller."""
    scheduler.set_prior(prior)
    network = exact_network(scheduler, prior)
    root = dense(prior, 1).root[0]
    mean, spread = prior.mean.expand(1, *EVENT).double(), root @ root.mT
    units, zeros = torch.eye(SIZE).double().reshape(SIZE, *EVENT), torch.zeros(SIZE, *EVENT).double()
    for t in scheduler.timesteps:
        x = torch.cat([mean, mean + units, mean + zeros])
        noise = torch.cat([zeros[:1], zeros, units])
        scheduler.scale_model_input(x, t)
        x = scheduler.step(network(x, t), t, x, variance_noise=noise, **options).prev_sample
        mean = x[:1]
        of_state, of_noise = (x[1:] - mean).flatten(1).chunk(2)
        spread = of_state.mT @ spread @ of_state + of_noise.mT @ of_noise
    return mean.flatten(), spread


@pytest.mark.parametrize("structure", PRIORS)
def test_samples_have_the_data_s_moments_under_every_covariance(structure: str) -> None:
    config, steps, tolerance = SOLVERS["UniPCMultistepScheduler"]
    scheduler = make("UniPCMultistepScheduler", prior=True, **config)
    assert_moments_are_the_data_s(moments(scheduler, PRIORS[structure](1), steps), tolerance)


@pytest.mark.parametrize("name", SOLVERS)
def test_samples_have_the_data_s_moments_with_every_kind_of_solver(name: str) -> None:
    config, steps, tolerance = SOLVERS[name]
    scheduler = make(name, prior=True, **config)
    assert_moments_are_the_data_s(moments(scheduler, PRIORS["lapped"](1), steps), tolerance)


@pytest.mark.parametrize(
    ("structure", "model_space", "variance_type"),
    [
        ("diagonal", "centered", "fixed_small"),
        ("lapped", "data", "fixed_large"),
        ("dense", "white", "fixed_small"),
    ],
)
def test_so_have_samples_of_the_paper_s_solver(structure: str, model_space: str, variance_type: str) -> None:
    scheduler = PriorGradScheduler(
        num_train_timesteps=300, beta_end=0.13, variance_type=variance_type, model_space=model_space
    )
    assert_moments_are_the_data_s(stochastic_moments(scheduler, PRIORS[structure](1)), 0.06)


@pytest.mark.parametrize("structure", ["diagonal", "lapped"])
def test_so_have_samples_of_a_solver_that_adds_noise(structure: str) -> None:
    config, steps, _ = SOLVERS["DDIMScheduler"]
    scheduler = make("DDIMScheduler", prior=True, **config)
    scheduler.set_timesteps(steps)
    assert_moments_are_the_data_s(stochastic_moments(scheduler, PRIORS[structure](1), eta=1.0), 0.06)
