from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, with_prior
from priordiff.schedulers.step_scales import scales_of_step

LIKE = torch.zeros(1, 1).double()


def numbers(scheduler: Any, t: Any) -> list[float]:
    return [float(each) for each in scales_of_step(scheduler, t, LIKE)]


def test_timesteps_of_training_have_a_level_each() -> None:
    t = torch.tensor([10, 500, 990])
    scales = scales_of_step(diffusers.DDPMScheduler(), t, LIKE)
    levels = diffusers.DDPMScheduler().alphas_cumprod[t].double()
    torch.testing.assert_close(scales.signal.flatten(), levels**0.5)
    torch.testing.assert_close(scales.noise.flatten(), (1 - levels) ** 0.5)
    assert (scales.data_weight, scales.noise_weight, float(scales.input_scale)) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", ["Heun", "Euler", "KDPM2"])
def test_where_the_variance_explodes_the_input_is_scaled_to_one(name: str, prediction: str) -> None:
    scheduler = getattr(diffusers, f"{name}DiscreteScheduler")(prediction_type=prediction)
    scheduler.set_timesteps(5)
    x = torch.ones(1, 1).double()
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        signal, noise, data_weight, noise_weight, scale = numbers(scheduler, t)
        assert signal == pytest.approx(1.0)
        assert scale * (signal**2 + noise**2) ** 0.5 == pytest.approx(1.0, abs=1e-5)
        expected = {"epsilon": (0, 1), "v_prediction": (-noise * scale, scale)}
        assert (data_weight, noise_weight) == pytest.approx(expected[prediction], abs=1e-5)
        x = scheduler.step(torch.zeros_like(x), t, x).prev_sample


def test_a_solver_that_stops_between_timesteps_is_at_the_level_where_it_stands() -> None:
    scheduler = diffusers.HeunDiscreteScheduler()
    scheduler.set_timesteps(5)
    x, noises = torch.ones(1, 1), []
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        noises.append(numbers(scheduler, t)[1])
        x = scheduler.step(torch.zeros_like(x), t, x).prev_sample
    torch.testing.assert_close(torch.tensor(noises), scheduler.sigmas[:-1].float(), rtol=1e-4, atol=1e-4)


def test_sampling_in_between_does_not_change_the_levels_of_training() -> None:
    scheduler = with_prior(diffusers.FlowMatchEulerDiscreteScheduler())
    scheduler.set_prior(DiagonalPrior(0.3, 0.5))
    scheduler.set_timesteps(1000)
    t = scheduler.timesteps[[100, 700]]
    before: list[Tensor] = list(scales_of_step(scheduler, t, LIKE)[:2])
    x = torch.zeros(1, 1)
    for step in scheduler.timesteps[:5]:
        x = scheduler.step(x, step, x).prev_sample
    for found, expected in zip(scales_of_step(scheduler, t, LIKE)[:2], before, strict=True):
        assert torch.equal(found, expected)
