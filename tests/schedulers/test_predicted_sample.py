"""The data that a network's output stands for, whatever it predicts and in whatever space."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from priordiff import DiagonalPrior, PriorGradScheduler, with_prior
from priordiff.pipelines import with_solver
from priordiff.schedulers import predicted_original_sample
from priordiff.schedulers.wrapping import MODEL_SPACES

SHAPE = (2, 3, 4, 4)


def random(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def prior() -> DiagonalPrior:
    return DiagonalPrior(random(1), random(2).abs() + 0.3)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("model_space", [None, *MODEL_SPACES])
def test_it_is_what_ddim_finds_itself(model_space: str | None, prediction_type: str) -> None:
    scheduler: Any = DDIMScheduler(clip_sample=False, prediction_type=prediction_type)
    if model_space is not None:
        scheduler = with_prior(scheduler, model_space)
        scheduler.set_prior(prior())
    scheduler.set_timesteps(5)
    output, x, t = random(3), random(4), scheduler.timesteps[2]
    scheduler.scale_model_input(x, t)
    expected = scheduler.step(output, t, x).pred_original_sample
    torch.testing.assert_close(predicted_original_sample(scheduler, output, t, x), expected)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("is_flow", [True, False], ids=["flow", "paper"])
def test_a_network_that_predicts_the_truth_gives_the_data(is_flow: bool, model_space: str) -> None:
    flow = with_prior(FlowMatchEulerDiscreteScheduler(), model_space)
    scheduler: Any = flow if is_flow else PriorGradScheduler(model_space=model_space)
    scheduler.set_prior(prior())
    scheduler.set_timesteps(5)
    x0, noise, t = random(3), random(4), scheduler.timesteps[2]
    levels = t.expand(len(x0))
    x = scheduler.scale_noise(x0, levels, noise) if is_flow else scheduler.add_noise(x0, noise, levels)
    output = scheduler.training_target(x0, noise, levels)
    predicted = predicted_original_sample(scheduler, output, t, x)
    torch.testing.assert_close(predicted, x0, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", ["dpm++", "sde-dpm++", "unipc"])
def test_a_multistep_solver_keeps_the_same_prediction(solver: str) -> None:
    trained = with_prior(DDIMScheduler(prediction_type="v_prediction"), "centered")
    scheduler, given = with_solver(trained, solver), prior()
    scheduler.set_prior(given)
    scheduler.set_timesteps(5)
    x = random(4)
    for number, t in enumerate(scheduler.timesteps[:3]):
        scheduler.scale_model_input(x, t)
        output = random(10 + number)
        predicted = predicted_original_sample(scheduler, output, t, x)
        x = scheduler.step(output, t, x).prev_sample
        torch.testing.assert_close(
            given.to_data(scheduler.model_outputs[-1]), predicted, rtol=1e-3, atol=1e-3
        )
