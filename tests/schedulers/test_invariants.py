"""What holds for every scheduler of diffusers, those that a newer diffusers adds included."""

from __future__ import annotations

import pytest
import torch

from priordiff import DiagonalPrior
from tests.schedulers.drivers import SUPPORTED, driver_of, make, sample, white_noise_for
from tests.schedulers.identity import (
    EXACT,
    ROUNDED,
    deviation_from_plain,
    steps_in_float32,
    tolerance,
)
from tests.schedulers.networks import MODEL_SPACES, prediction_configs, white_network


@pytest.mark.parametrize("name", SUPPORTED)
def test_without_a_prior_and_under_the_standard_one_no_bit_changes(name: str) -> None:
    white_noise = white_noise_for(name, torch.float32)
    standard = DiagonalPrior(0.0, torch.ones(1, *driver_of(name).event))
    expected = sample(make(name), white_network, white_noise)
    assert all(state.isfinite().all() for state in expected)
    for model_space in MODEL_SPACES:
        for prior in (None, standard):
            scheduler = make(name, prior=True, model_space=model_space)
            scheduler.set_prior(prior)
            states = sample(scheduler, white_network, white_noise)
            assert all(torch.equal(x, z) for x, z in zip(states, expected, strict=True))


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", SUPPORTED)
def test_states_are_the_coloured_states_of_the_plain_scheduler(name: str, model_space: str) -> None:
    for config in prediction_configs(name):
        assert deviation_from_plain(name, None, model_space, config) < tolerance(name, model_space, config), (
            config
        )


@pytest.mark.parametrize("scheduler_type", ["euler", "unipc"])
def test_both_solvers_of_helios_see_the_prior(scheduler_type: str) -> None:
    config = {"scheduler_type": scheduler_type}
    assert deviation_from_plain("HeliosScheduler", config=config) < ROUNDED


def test_prediction_types_are_tried_wherever_there_is_a_choice() -> None:
    assert len(prediction_configs("DDIMScheduler")) == 3
    assert len(prediction_configs("UniPCMultistepScheduler")) == 4
    assert prediction_configs("FlowMatchEulerDiscreteScheduler") == [{}]
    assert prediction_configs("HeliosDMDScheduler") == [{}]  # it has the option and ignores it


def test_solvers_that_round_their_states_are_told_from_those_that_do_not() -> None:
    assert steps_in_float32("EulerDiscreteScheduler")
    assert steps_in_float32("FlowMatchEulerDiscreteScheduler")
    assert not steps_in_float32("DDIMScheduler")
    assert tolerance("DDIMScheduler") == tolerance("UniPCMultistepScheduler") == EXACT
