"""Loops that start late or stop early, and timesteps and sigmas of the caller's own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from priordiff.schedulers import scheduler_classes
from tests.schedulers.drivers import (
    SUPPORTED,
    Network,
    driver_of,
    initial_state,
    make,
    run_steps,
    sample_plainly,
    white_noise_for,
    without_clipping,
)
from tests.schedulers.identity import deviation, diagonal_prior, steps_in_float32, tolerance
from tests.schedulers.networks import MODEL_SPACES, network_for, white_network

PLAIN = [name for name in SUPPORTED if driver_of(name).sample is sample_plainly]


SIGMAS: dict[str, Any] = {
    "EDMEulerScheduler": {"sigmas": torch.tensor([0.0, 0.5, 0.9])},  # places on the ramp of Karras et al.
    "HeliosScheduler": {"num_inference_steps": 3, "sigmas": np.array([0.9, 0.6, 0.2])},
    "LTXEulerAncestralRFScheduler": {"sigmas": [0.9, 0.6, 0.2, 0.0]},
    "MiniMaxH3Scheduler": {"sigmas": [0.9, 0.6, 0.2, 0.0]},
    "UniPCMultistepScheduler": {"sigmas": np.array([0.9, 0.6, 0.2])},
}


def takes(name: str, option: str) -> bool:
    return option in inspect.signature(scheduler_classes()[name].set_timesteps).parameters


def noise_to_level(scheduler: Any, x0: Tensor, white_noise: Tensor, t: Tensor) -> Tensor:
    """A state at a timestep, as the pipelines make it: flow-matching schedulers have `scale_noise`."""
    if hasattr(scheduler_classes()[_name(scheduler)], "scale_noise"):
        return scheduler.scale_noise(x0, t, white_noise)
    return scheduler.add_noise(x0, white_noise, t)


def both(name: str, model_space: str, run: Any, **config: Any) -> float:
    """`deviation` between the runs of a scheduler with a prior and the plain one."""
    prior, options = diagonal_prior(driver_of(name).event), {**without_clipping(name), **config}
    white_states = run(make(name, **options), white_network, lambda z: z)
    scheduler = make(name, prior=True, **options, model_space=model_space)
    scheduler.set_prior(prior)
    states = run(scheduler, network_for(scheduler, prior), prior.to_data)
    return deviation(states, white_states, prior, steps_in_float32(name))


def _name(scheduler: Any) -> str:
    return getattr(scheduler, "plain_class", type(scheduler)).__name__


LATE = [
    name
    for name in PLAIN
    if hasattr(scheduler_classes()[name], "set_begin_index")
    and (hasattr(scheduler_classes()[name], "add_noise") or hasattr(scheduler_classes()[name], "scale_noise"))
]


@pytest.mark.parametrize("name", LATE)
def test_a_loop_that_starts_late_from_noised_data_is_that_of_the_plain_scheduler(name: str) -> None:
    white_noise = white_noise_for(name)

    def run(scheduler: Any, network: Network, to_data: Any) -> list[Tensor]:
        scheduler.set_timesteps(6)
        start = 2 * getattr(scheduler, "order", 1)  # a strength of two thirds
        scheduler.set_begin_index(start)
        timesteps = scheduler.timesteps[start:]
        x = noise_to_level(scheduler, to_data(white_noise.roll(1, -1)), white_noise, timesteps[:1])
        return run_steps(scheduler, network, x, torch.Generator().manual_seed(0), timesteps)

    for model_space in MODEL_SPACES:
        assert both(name, model_space, run) < tolerance(name, model_space)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler", "EulerDiscreteScheduler", "LCMScheduler"])
def test_a_loop_that_stops_early_is_gone_on_with_by_another_scheduler(name: str) -> None:
    prior, white_noise, options = diagonal_prior((2, 8)), white_noise_for(name), without_clipping(name)
    schedulers = [make(name, prior=True, **options) for _ in range(3)]
    for scheduler in schedulers:
        scheduler.set_prior(prior)
        scheduler.set_timesteps(6)
    whole, first, second = schedulers
    network, random = network_for(whole, prior), torch.Generator().manual_seed(0)
    expected = run_steps(whole, network, initial_state(whole, white_noise), random)
    random = torch.Generator().manual_seed(0)
    states = run_steps(first, network, initial_state(first, white_noise), random, first.timesteps[:4])
    if hasattr(second, "set_begin_index"):
        second.set_begin_index(4)
    states += run_steps(second, network, states[-1], random, second.timesteps[4:])[1:]
    torch.testing.assert_close(states, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in PLAIN if takes(name, "timesteps")])
def test_timesteps_of_the_caller_s_own_are_stepped_through(name: str) -> None:
    given = [18, 11, 4, 0] if name == "CMStochasticIterativeScheduler" else [839, 639, 259, 59]
    if name == "LTXEulerAncestralRFScheduler":
        given = [0.9, 0.6, 0.2, 0.0]  # which it takes for sigmas
    white_noise = white_noise_for(name)

    def run(scheduler: Any, network: Network, to_data: Any) -> list[Tensor]:
        scheduler.set_timesteps(timesteps=given)
        x = initial_state(scheduler, white_noise)
        return run_steps(scheduler, network, x, torch.Generator().manual_seed(0))

    assert both(name, "data", run) < tolerance(name, "data")


@pytest.mark.parametrize("name", [name for name in PLAIN if takes(name, "sigmas")])
def test_sigmas_of_the_caller_s_own_are_stepped_through(name: str) -> None:
    given = SIGMAS.get(name, {"sigmas": [0.9, 0.6, 0.2]})
    config = {"use_flow_sigmas": True} if name == "UniPCMultistepScheduler" else {}
    white_noise = white_noise_for(name)

    def run(scheduler: Any, network: Network, to_data: Any) -> list[Tensor]:
        scheduler.set_timesteps(**given)
        x = initial_state(scheduler, white_noise)
        return run_steps(scheduler, network, x, torch.Generator().manual_seed(0))

    assert both(name, "data", run, **config) < tolerance(name, "data")
