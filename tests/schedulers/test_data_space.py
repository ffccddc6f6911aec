"""What acts on single elements, clipping, thresholding, a mask, acts on the data."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from priordiff import GaussianPrior
from priordiff.schedulers import scheduler_classes
from tests.priors.cases import PRIORS
from tests.schedulers.drivers import (
    BATCH,
    SUPPORTED,
    make,
    parameters_of,
    sample,
    white_noise_for,
    without_clipping,
)
from tests.schedulers.identity import EXACT, deviation
from tests.schedulers.networks import network_for, white_network

# They have options to clip and threshold that do nothing.
IGNORE_OPTIONS = ["CogVideoXDDIMScheduler", "CogVideoXDPMScheduler", "TCDScheduler"]
# What they last return has some noise left.
NOISE_LEFT = {
    "CMStochasticIterativeScheduler": 1e-4,
    "DEISMultistepScheduler": 0.1,
    "LCMScheduler": 0.01,
    "SASolverScheduler": 0.1,
}
STRUCTURES = ["diagonal", "isotropic", "lapped"]


def clipping(name: str, limit: float) -> dict[str, Any]:
    """What makes a scheduler clip, to a range if it has a choice."""
    options: dict[str, Any] = {
        key: True
        for key, value in parameters_of(name).items()
        if key.startswith("clip") and isinstance(value, bool)
    }
    return {**options, "clip_sample_range": limit} if "clip_sample_range" in parameters_of(name) else options


CLIPPING = [name for name in SUPPORTED if clipping(name, 1.0) and name not in IGNORE_OPTIONS]
THRESHOLDING = [
    name
    for name in SUPPORTED
    if "thresholding" in parameters_of(name)
    and name not in (*IGNORE_OPTIONS, "DPMSolverMultistepInverseScheduler")  # which ends in noise
    and hasattr(scheduler_classes()[name], "_threshold_sample")
]


@contextmanager
def recorded_outputs(scheduler: Any) -> Iterator[list[Any]]:
    """What the scheduler's steps return."""
    outputs: list[Any] = []

    def record(*args: Any, **kwargs: Any) -> Any:
        outputs.append(type(scheduler).step(scheduler, *args, **kwargs))
        return outputs[-1]

    record.__signature__ = inspect.signature(scheduler.step)  # type: ignore[attr-defined]
    with patch.object(scheduler, "step", record):
        yield outputs


def estimates(scheduler: Any, prior: GaussianPrior, name: str) -> Tensor:
    """The solver's estimates of the data on the way, or its last state if it does not tell."""
    scheduler.set_prior(prior)
    with recorded_outputs(scheduler) as outputs:
        states = sample(scheduler, network_for(scheduler, prior), white_noise_for(name))
    found = [
        output.pred_original_sample
        for output in outputs
        if getattr(output, "pred_original_sample", None) is not None
    ]
    return torch.stack(found or states[-1:])


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("name", CLIPPING)
def test_clipping_keeps_the_estimates_of_the_data_in_range(name: str, structure: str) -> None:
    limit = 0.5 if "clip_sample_range" in parameters_of(name) else 1.0
    found = estimates(make(name, prior=True, **clipping(name, limit)), PRIORS[structure](BATCH), name)
    assert found.abs().max() == pytest.approx(limit, rel=NOISE_LEFT.get(name, 1e-6))


@pytest.mark.parametrize("name", [name for name in CLIPPING if "clip_sample_range" in parameters_of(name)])
def test_a_range_that_holds_everything_changes_nothing(name: str) -> None:
    prior = PRIORS["lapped"](BATCH)
    clipped = make(name, prior=True, **clipping(name, 1e6))
    free = make(name, prior=True, **{key: False for key in clipping(name, 1.0) if key != "clip_sample_range"})
    runs = []
    for scheduler in (clipped, free):
        scheduler.set_prior(prior)
        runs.append(sample(scheduler, network_for(scheduler, prior), white_noise_for(name)))
    white = [prior.to_white(x) for x in runs[1]]
    assert deviation(runs[0], white, prior) < EXACT


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("name", THRESHOLDING)
def test_dynamic_thresholding_keeps_the_estimates_of_the_data_in_range(name: str, structure: str) -> None:
    options = {**without_clipping(name), "thresholding": True, "sample_max_value": 1.5}
    found = estimates(make(name, prior=True, **options), PRIORS[structure](BATCH), name)
    assert found.abs().max() == pytest.approx(1.0, rel=NOISE_LEFT.get(name, 1e-6))


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("option", ["clip_sample", "thresholding"])
def test_a_step_goes_on_from_the_estimate_that_was_put_in_range(option: str, structure: str) -> None:
    prior, white_noise = PRIORS[structure](BATCH), white_noise_for("DDIMScheduler")
    options = {"clip_sample": False, "clip_sample_range": 0.5, "sample_max_value": 1.5, option: True}
    scheduler = make("DDIMScheduler", prior=True, **options)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[1]
    level, next_level = (scheduler.alphas_cumprod[step].double() for step in (t, t - 250))
    x_t, noise = prior.to_data(white_noise), prior.color(white_noise.roll(1))
    output = scheduler.step(noise, t, x_t)

    x0 = prior.mean + (x_t - prior.mean - (1 - level).sqrt() * noise) / level.sqrt()
    x0 = (
        x0.clamp(-0.5, 0.5)
        if option == "clip_sample"
        else make("DDIMScheduler", **options)._threshold_sample(x0)
    )
    expected = prior.mean + next_level.sqrt() * (x0 - prior.mean) + (1 - next_level).sqrt() * noise
    torch.testing.assert_close(output.pred_original_sample, x0, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(output.prev_sample, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("structure", ["diagonal", "lapped", "dense"])
def test_repaint_keeps_the_known_part_of_the_data_to_the_letter(structure: str) -> None:
    prior, white_noise = PRIORS[structure](BATCH), white_noise_for("RePaintScheduler")
    scheduler = make("RePaintScheduler", prior=True, clip_sample=False)
    scheduler.set_prior(prior)
    image = white_noise.roll(1, -1)
    known = torch.arange(8) % 3 == 0
    scheduler.set_timesteps(5, jump_length=2, jump_n_sample=1)
    random, x = torch.Generator().manual_seed(0), white_noise * scheduler.init_noise_sigma
    network = network_for(scheduler, prior)
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, image, known.double(), random).prev_sample
    torch.testing.assert_close(x[..., known], image[..., known], rtol=1e-10, atol=1e-10)
    assert not torch.isclose(x[..., ~known], image[..., ~known]).any()


def test_tokens_that_proteina_does_not_emit_are_at_the_mean() -> None:
    prior, white_noise = PRIORS["diagonal"](BATCH), white_noise_for("RFD4ProteinaScheduler")
    scheduler = make("RFD4ProteinaScheduler", prior=True)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(5)
    emitted = torch.tensor([[True, False]] * BATCH)
    generators = [torch.Generator().manual_seed(seed) for seed in range(BATCH)]
    x = scheduler.step(white_noise, scheduler.timesteps[0], white_noise, emitted, generators).prev_sample
    assert torch.equal(x[:, 1], prior.mean[:, 1])
    assert not torch.isclose(x[:, 0], prior.mean[:, 0]).any()


def test_a_solver_that_changes_the_resolution_on_its_way_does_not_fit_a_prior() -> None:
    name, config = "FlowMatchLCMScheduler", {"scale_factors": [1.0, 2.0], "upscale_mode": "nearest"}
    scheduler, white_noise = make(name, prior=True, **config), white_noise_for(name)
    assert sample(scheduler, white_network, white_noise, steps=3)[-1].shape == (BATCH, 2, 16)
    scheduler.set_prior(PRIORS["diagonal"](BATCH))
    with pytest.raises(ValueError, match=r"shape \(2, 8\), which does not fit data of shape \(3, 2, 16\)"):
        sample(scheduler, white_network, white_noise, steps=3)


def test_levels_of_single_tokens_are_those_of_white_ones_in_every_dtype() -> None:
    name, prior = "FlowMatchEulerDiscreteScheduler", PRIORS["dense"](BATCH)
    white_noise, output = white_noise_for(name), white_noise_for(name).roll(1)
    timesteps = torch.tensor([[600.0, 300.0]] * BATCH)
    plain = make(name)
    plain.set_timesteps(5)
    z = plain.step(output, plain.timesteps[0], white_noise, per_token_timesteps=timesteps).prev_sample
    for dtype in (torch.float64, torch.float32):
        scheduler = make(name, prior=True, model_space="white")
        scheduler.set_prior(prior.to(dtype))
        scheduler.set_timesteps(5)
        x = prior.to_data(white_noise).to(dtype)
        arguments = (output.to(dtype), scheduler.timesteps[0], x)
        found = scheduler.step(*arguments, per_token_timesteps=timesteps).prev_sample
        torch.testing.assert_close(found, prior.to_data(z).to(dtype), rtol=1e-5, atol=1e-5)
