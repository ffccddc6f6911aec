"""The noise that a solver adds on its way: coloured like the first, from the generator that it is given."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import GaussianPrior
from priordiff.schedulers import scheduler_classes
from tests.priors.cases import PRIORS, dense
from tests.schedulers.drivers import (
    BATCH,
    SUPPORTED,
    adds_noise,
    driver_of,
    initial_state,
    make,
    run_steps,
    sample,
    sample_plainly,
    white_noise_for,
    without_clipping,
)
from tests.schedulers.identity import deviation, diagonal_prior, steps_in_float32, tolerance
from tests.schedulers.networks import network_for, white_network

STOCHASTIC = [name for name in SUPPORTED if adds_noise(name)]
# Their step takes a generator and their loop is the plain one.
PLAIN = [
    name
    for name in STOCHASTIC
    if driver_of(name).sample is sample_plainly
    and "generator" in inspect.signature(scheduler_classes()[name].step).parameters
]
# Their noise comes in different ways: alone, with a correction, after a jump, in two steps, in a flow.
NOISY = [
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "LCMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "LTXEulerAncestralRFScheduler",
    "SASolverScheduler",
]


def prior_for(name: str) -> GaussianPrior:
    return diagonal_prior(driver_of(name).event)


def run(name: str, seed: int) -> Tensor:
    scheduler, prior = make(name, prior=True, seed=seed, **without_clipping(name)), prior_for(name)
    scheduler.set_prior(prior)
    return sample(scheduler, network_for(scheduler, prior), white_noise_for(name), seed)[-1]


def test_solvers_that_add_noise_are_found() -> None:
    noisy = {"DDPMScheduler", "DPMSolverSDEScheduler", "ScoreSdeVeScheduler", *NOISY[2:]}
    assert noisy & set(scheduler_classes()) <= set(STOCHASTIC)
    assert not {"DDIMScheduler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"} & set(
        STOCHASTIC
    )


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_generator_decides(name: str) -> None:
    assert torch.equal(run(name, seed=0), run(name, seed=0))
    assert not torch.equal(run(name, seed=0), run(name, seed=1))


@pytest.mark.parametrize("name", PLAIN)
def test_each_item_may_have_a_generator_of_its_own(name: str) -> None:
    prior, options = prior_for(name), without_clipping(name)
    scheduler = make(name, prior=True, **options)
    scheduler.set_prior(prior)
    runs: list[list[Tensor]] = []
    for each, network in ((make(name, **options), white_network), (scheduler, network_for(scheduler, prior))):
        generators = [torch.Generator().manual_seed(seed) for seed in range(BATCH)]
        each.set_timesteps(5)
        runs.append(run_steps(each, network, initial_state(each, white_noise_for(name)), generators))
    assert deviation(runs[1], runs[0], prior, steps_in_float32(name)) < tolerance(name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DDIMScheduler", {"eta": 1.0}),
        ("DDIMParallelScheduler", {"eta": 0.5}),
        ("TCDScheduler", {"eta": 0.8}),
        ("EulerDiscreteScheduler", {"s_churn": 2.0, "s_noise": 1.1}),
        ("EDMEulerScheduler", {"s_churn": 2.0}),
        ("FlowMatchHeunDiscreteScheduler", {"s_churn": 2.0}),
    ],
)
def test_options_of_a_step_keep_their_meaning(name: str, options: dict[str, Any]) -> None:
    prior, config = prior_for(name), without_clipping(name)
    scheduler = make(name, prior=True, **config)
    scheduler.set_prior(prior)
    runs: list[list[Tensor]] = []
    for each, network in ((make(name, **config), white_network), (scheduler, network_for(scheduler, prior))):
        each.set_timesteps(5)
        x, random = initial_state(each, white_noise_for(name)), torch.Generator().manual_seed(0)
        runs.append(run_steps(each, network, x, random, **options))
    assert deviation(runs[1], runs[0], prior, steps_in_float32(name)) < tolerance(name)
    plainly = sample(make(name, **config), white_network, white_noise_for(name))
    assert not torch.equal(runs[0][-1], plainly[-1])


@pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_noise_that_the_caller_has_drawn_is_white(name: str) -> None:
    options = {"algorithm_type": "sde-dpmsolver++"} if name.startswith("DPM") else {"clip_sample": False}
    prior, white_noise = prior_for(name), white_noise_for(name)
    plain, scheduler = make(name, **options), make(name, prior=True, **options)
    scheduler.set_prior(prior)
    step_options = {"eta": 1.0} if name == "DDIMScheduler" else {}
    results = []
    for each, x, output in (
        (plain, white_noise, white_noise.roll(1)),
        (scheduler, prior.to_data(white_noise), prior.color(white_noise.roll(1))),
    ):
        each.set_timesteps(5)
        t = each.timesteps[0]
        each.scale_model_input(x, t)
        results.append(
            each.step(output, t, x, variance_noise=white_noise.flip(-1), **step_options).prev_sample
        )
    torch.testing.assert_close(results[1], prior.to_data(results[0]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("structure", ["diagonal", "lapped", "low rank"])
@pytest.mark.parametrize("name", NOISY)
def test_the_noise_of_a_step_has_the_prior_s_covariance(name: str, structure: str) -> None:
    prior, batch = PRIORS[structure](1).to(torch.float32), 4096
    config = {"algorithm_type": "sde-dpmsolver++"} if name.startswith("DPM") else {}
    scheduler = make(name, prior=True, **without_clipping(name), **config)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(5)
    x = white_noise_for(name, torch.float32, batch=1).expand(batch, -1, -1)
    random = torch.Generator().manual_seed(0)
    before = x
    for t in scheduler.timesteps[:2]:  # a second-order solver draws at the second
        output = torch.zeros_like(x)
        scheduler.scale_model_input(before, t)
        before = scheduler.step(output, t, before, generator=random).prev_sample
        noise = (before - before.mean(0)).flatten(1).double()
        covariance = noise.mT @ noise / batch
        if covariance.diagonal().min() > 1e-6:
            break
    root = dense(PRIORS[structure](1), 1).root[0]
    expected = root @ root.mT
    correlation, wanted = (
        matrix / matrix.diagonal().outer(matrix.diagonal()).sqrt() for matrix in (covariance, expected)
    )
    torch.testing.assert_close(correlation, wanted, rtol=0, atol=0.08)
    ratio = covariance.diagonal() / expected.diagonal()
    torch.testing.assert_close(ratio / ratio.mean(), torch.ones_like(ratio), rtol=0, atol=0.1)
