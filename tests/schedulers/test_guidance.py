"""Classifier-free guidance of Gaussians, by exact networks with and without the conditioning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, with_prior
from priordiff.schedulers import signal_and_noise_scale
from tests.priors.cases import EVENT, PRIORS, covariance, dense, random

SIZE = EVENT[0] * EVENT[1]
CLASSES = 2

# From a state in white space, its scales, and whether the class is known, to an estimate of z₀.
Denoiser = Callable[[Tensor, Tensor, Tensor, bool], Tensor]


def white_denoiser() -> Denoiser:
    """Of whitened data that is Gaussian for each class, and, near enough for a test, over all of them."""
    means = random(CLASSES, SIZE, seed=1)
    spreads = torch.cat([0.1 * covariance(CLASSES, SIZE, SIZE, seed=2), covariance(1, SIZE, SIZE, seed=3)])

    def denoise(z: Tensor, signal: Tensor, noise: Tensor, known: bool) -> Tensor:
        mean = means if known else means.mean(0, keepdim=True).expand(CLASSES, SIZE)
        spread = spreads[:CLASSES] if known else spreads[CLASSES:].expand(CLASSES, SIZE, SIZE)
        total = signal**2 * spread + noise**2 * torch.eye(SIZE).double()
        return mean + signal * (
            spread @ torch.linalg.solve(total, (z.flatten(1) - signal * mean)[..., None])
        ).squeeze(-1)

    return denoise


def guided(scheduler: Any, x: Tensor, prior: GaussianPrior | None, weight: float) -> list[Tensor]:
    """The states of a pipeline's loop with guidance, with exact networks in the scheduler's space."""
    space, denoise, states = getattr(scheduler, "model_space", "white"), white_denoiser(), [x]
    root = None if prior is None else dense(prior, CLASSES).root
    mean = None if prior is None else prior.mean.expand(CLASSES, *EVENT).flatten(1)

    def network(seen: Tensor, t: Tensor, known: bool) -> Tensor:
        signal, noise = (scale.double() for scale in signal_and_noise_scale(scheduler, t, seen[:1, :1, 0]))
        z = seen.flatten(1)
        if space == "data":
            z = z - mean
        if space != "white":
            z = torch.linalg.solve(root, z[..., None])[..., 0]
        z0 = denoise(z, signal, noise, known)
        v = signal * (z - signal * z0) / noise - noise * z0
        if space != "white":
            v = (root @ v[..., None])[..., 0]
        return (v - noise * mean if space == "data" else v).reshape(seen.shape)

    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(torch.cat([states[-1]] * 2), t)
        without, with_class = seen.chunk(2)
        without, with_class = network(without, t, False), network(with_class, t, True)
        output = without + weight * (with_class - without)
        states.append(scheduler.step(output, t, states[-1]).prev_sample)
    return states


@pytest.mark.parametrize("model_space", ["centered", "data", "white"])
@pytest.mark.parametrize("structure", ["diagonal", "dense", "lapped"])
def test_guided_sampling_under_a_prior_is_guided_sampling_of_the_whitened_problem(
    structure: str, model_space: str
) -> None:
    plain = DDIMScheduler(prediction_type="v_prediction", clip_sample=False)
    plain.set_timesteps(8)
    prior, white_noise = PRIORS[structure](CLASSES), random(CLASSES, *EVENT, seed=7)
    expected = guided(plain, white_noise, None, weight=3.0)
    scheduler = with_prior(plain, model_space)
    scheduler.set_prior(prior)
    states = guided(scheduler, white_noise * scheduler.init_noise_sigma, prior, weight=3.0)
    assert not torch.allclose(states[-1], prior.to_data(guided(plain, white_noise, None, weight=1.0)[-1]))
    tolerance = 1e-10 if model_space != "data" else 1e-5  # the mean's weight in v is from a table in float32
    for x, z in zip(states, expected, strict=True):
        torch.testing.assert_close(x, prior.to_data(z), rtol=0, atol=tolerance)


MEAN, VARIANCE, MEAN_OF_ALL, VARIANCE_OF_ALL = 1.0, 0.2**2, 0.0, 1.0 + 0.2**2
OWN = DiagonalPrior(MEAN, VARIANCE**0.5)


def guided_moments(prior: DiagonalPrior, weight: float, of_all: DiagonalPrior) -> tuple[float, float]:
    """Mean and std of guided samples, where the network for all classes believes in a prior of its own."""
    # So many betas that nothing is left of the data at the first step.
    scheduler = with_prior(DPMSolverMultistepScheduler(beta_end=0.04, prediction_type="sample"), "data")
    scheduler.set_prior(prior)
    scheduler.set_timesteps(400)
    x = torch.tensor([[0.0], [1.0]]).double() * scheduler.init_noise_sigma

    def network(x: Tensor, t: Tensor, mean: float, variance: float, of: DiagonalPrior) -> Tensor:
        signal, noise = signal_and_noise_scale(scheduler, t, x)
        total = signal**2 * variance + noise**2 * of.std.double() ** 2
        return mean + signal * variance / total * (x - of.mean - signal * (mean - of.mean))

    for t in scheduler.timesteps:
        with_class = network(x, t, MEAN, VARIANCE, prior)
        without = network(x, t, MEAN_OF_ALL, VARIANCE_OF_ALL, of_all)
        x = scheduler.step(without + weight * (with_class - without), t, x).prev_sample
    return float(x[0]), float(x[1] - x[0])


@pytest.mark.parametrize("prior", [DiagonalPrior(0.0, 1.0), OWN, DiagonalPrior(-2.0, 0.5)])
@pytest.mark.parametrize(("weight", "mean"), [(0.0, 0.0), (1.0, 1.0), (2.0, 1.09), (4.0, 1.06)])
def test_with_one_prior_for_both_guided_gaussians_are_what_they_are_without_one(
    prior: DiagonalPrior, weight: float, mean: float
) -> None:
    found_mean, found_std = guided_moments(prior, weight, prior)
    std = VARIANCE ** (weight / 2) * VARIANCE_OF_ALL ** ((1 - weight) / 2)
    assert found_mean == pytest.approx(mean, abs=0.02)
    assert found_std == pytest.approx(std, rel=0.1, abs=0.002)


@pytest.mark.parametrize(("weight", "mean", "std"), [(0.0, 0.31, 0.2), (2.0, 1.69, 0.2), (4.0, 3.08, 0.2)])
def test_with_a_prior_of_its_own_the_unconditional_network_is_not_unconditional(
    weight: float, mean: float, std: float
) -> None:
    of_all = DiagonalPrior(MEAN_OF_ALL, VARIANCE_OF_ALL**0.5)
    found = guided_moments(OWN, weight, of_all)
    assert found == pytest.approx((mean, std), abs=0.02)


@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0])
def test_a_prior_that_says_all_leaves_guidance_nothing_to_do(weight: float) -> None:
    prior = with_prior(DDIMScheduler(clip_sample=False, prediction_type="sample"), "white")
    prior.set_prior(OWN)
    prior.set_timesteps(50)
    x = torch.randn(4, 1).double() * prior.init_noise_sigma
    start = x
    for t in prior.timesteps:
        z = prior.scale_model_input(x, t)
        signal, _ = signal_and_noise_scale(prior, t, z)
        known = without = signal * z  # E[z₀ | z_t] of N(0, 1), with the class and over all classes
        x = prior.step(without + weight * (known - without), t, x).prev_sample
    torch.testing.assert_close(x, start, rtol=0, atol=0.05)
