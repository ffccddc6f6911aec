from __future__ import annotations

import logging
from itertools import combinations

import numpy as np
import pytest
from diffusers import DDIMScheduler, DDPMScheduler, EDMEulerScheduler, UniPCMultistepScheduler

from priordiff import PriorGradScheduler, with_prior
from priordiff.search.candidates import SAMPLERS, beta_lists, first_candidates, samplers_for

TRAINED = PriorGradScheduler(num_train_timesteps=100, prediction_type="v_prediction")
BETAS = np.linspace(1e-4, 0.05, 400)


def test_the_grid_is_the_papers_and_the_finest_that_the_budget_allows() -> None:
    everything = sorted(m * 10.0**k for m in range(1, 10) for k in range(-4, 0))
    pairs = beta_lists(BETAS, 2, most=1000)
    np.testing.assert_allclose(sorted(pairs), sorted(combinations(everything, 2)))
    assert [0.001, 0.01, 0.05, 0.1, 0.5, 0.8] in beta_lists(BETAS, 6, most=10_000)
    sizes = [len(beta_lists(BETAS, 3, most)) for most in (10_000, 1000, 100, 10, 3)]
    assert sizes == [7140, 560, 56, 4, 0]


def test_no_beta_of_the_grid_is_smaller_than_those_of_training() -> None:
    lists = beta_lists(np.linspace(3e-4, 0.05, 50), 1, most=100)
    assert min(lists) == [3e-4]
    assert max(lists) == [0.9]


@pytest.mark.parametrize("solver", SAMPLERS)
def test_schedulers_of_a_solver_keep_the_training_and_say_nothing(
    solver: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="diffusers"):
        found = list(first_candidates(TRAINED, solver, 6))
    assert not caplog.records
    assert len({candidate.name for candidate in found}) == len(found) > 3
    for candidate in found:
        assert candidate.scheduler.config["prediction_type"] == "v_prediction"
        candidate.scheduler.set_timesteps(6)
        assert len(candidate.scheduler.timesteps) == 6


def test_spacings_and_orders_of_the_scheduler_that_is_searched_do_not_leak() -> None:
    options = {"use_karras_sigmas": True, "solver_order": 3, "timestep_spacing": "leading"}
    tuned = with_prior(UniPCMultistepScheduler(num_train_timesteps=100, **options))
    for candidate in list(first_candidates(tuned, "dpm++", 4))[1:]:
        config = candidate.scheduler.config
        assert config["use_karras_sigmas"] == ("karras" in candidate.name)
        assert f"solver_order={config['solver_order']}" in candidate.name


def test_a_variance_that_the_network_predicts_is_no_choice() -> None:
    learned = with_prior(PriorGradScheduler(variance_type="learned_range"))
    kinds = {c.scheduler.config["variance_type"] for c in first_candidates(learned, "ddpm", 4)}
    assert kinds == {"learned_range"}
    fixed = {c.scheduler.config["variance_type"] for c in first_candidates(TRAINED, "ddpm", 4)}
    assert fixed == {"fixed_small", "fixed_large"}


def test_a_diffusion_can_have_every_sampler() -> None:
    assert samplers_for(with_prior(DDIMScheduler())) == tuple(SAMPLERS)


def test_samplers_that_lack_the_noise_levels_are_none_of_those_that_can_be_had() -> None:
    assert samplers_for(DDPMScheduler(beta_schedule="sigmoid")) == ("ddpm",)
    with pytest.raises(ValueError, match="noise of another kind"):
        samplers_for(EDMEulerScheduler())
