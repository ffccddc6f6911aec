from __future__ import annotations

import json
from typing import Any

import diffusers
import pytest
import torch

from priordiff import with_prior
from priordiff.fine_tuning import TrainedProcess

SCHEDULERS: dict[str, Any] = {
    "betas": diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"),
    "own betas": diffusers.DDIMScheduler(trained_betas=[0.1, 0.2, 0.3]),
    "no signal at the end": diffusers.DDIMScheduler(
        rescale_betas_zero_snr=True, prediction_type="v_prediction"
    ),
    "a shifted ratio": diffusers.CogVideoXDDIMScheduler(),
    "a solver in sigmas": diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear"),
    "with a prior": with_prior(diffusers.DDPMScheduler()),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_training_step_is_found_by_its_level_also_from_a_file(name: str) -> None:
    scheduler = SCHEDULERS[name]
    signal = scheduler.alphas_cumprod.double() ** 0.5
    noise = (1 - scheduler.alphas_cumprod.double()) ** 0.5
    process = TrainedProcess(scheduler)
    for each in (process, TrainedProcess.from_config(json.loads(json.dumps(process.config)))):
        found = each.at(signal, noise)
        torch.testing.assert_close(found.timestep, torch.arange(len(signal)).double(), rtol=0, atol=1e-3)
        torch.testing.assert_close(found.signal, signal, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.noise, noise, rtol=1e-5, atol=1e-6)


def test_between_two_steps_it_is_a_fraction_in_order() -> None:
    ratio = torch.logspace(-1.9, 2, 5000).double()
    timesteps = TrainedProcess(diffusers.DDPMScheduler()).at(torch.ones_like(ratio), ratio).timestep
    assert bool((timesteps.diff() > 0).all())
    assert bool((timesteps != timesteps.round()).any())


@pytest.mark.parametrize("scheduler", [diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)])
def test_of_a_flow_the_level_is_the_timestep(scheduler: Any) -> None:
    process = TrainedProcess(scheduler)
    found = TrainedProcess.from_config(process.config).at(torch.tensor([0.0, 3.0]), torch.tensor([2.0, 1.0]))
    assert found.timestep.tolist() == [1000.0, 250.0]
    assert found.signal.tolist() == [0.0, 0.75]


def test_beyond_the_ends_it_is_less_than_a_step_beyond_with_the_levels_of_the_end() -> None:
    noise = torch.tensor([0.0, 0.5, 0.9, 1.1, 2.0, 1e9])
    noise[:3] *= 0.01  # of the first step
    noise[3:] *= 157.5  # of the last
    found = TrainedProcess(diffusers.DDPMScheduler()).at(torch.ones(6), noise)
    assert found.timestep[0] == -1
    assert found.timestep[-1] == 1000
    assert bool((found.timestep.diff() > 0).all())
    assert bool((found.timestep[:3] < 0).all() & (found.timestep[3:] > 999).all())
    assert found.too_clean.tolist() == [True] * 3 + [False] * 3
    assert found.too_noisy.tolist() == [False] * 3 + [True] * 3
    torch.testing.assert_close(found.noise[:3], torch.full((3,), 0.01))
    torch.testing.assert_close(found.signal[3:], found.signal[3].expand(3))


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (diffusers.EDMEulerScheduler(), "EDMEulerScheduler has no noise levels of training steps"),
        (
            diffusers.CMStochasticIterativeScheduler(),
            "the network predicts 'preconditioned', expected one of",
        ),
    ],
)
def test_a_training_without_known_levels_is_an_error(scheduler: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainedProcess(scheduler)
