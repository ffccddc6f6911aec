from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

from priordiff import PriorGradScheduler, with_prior
from priordiff.pipelines import SOLVERS, with_solver
from priordiff.search import SAMPLERS, search_schedule
from tests.search.gaussian import PRIOR, error_of

# DPM-Solver's timesteps are whole, and its states float32 inside: that is exact enough here.
TRAINED = PriorGradScheduler(num_train_timesteps=200, prediction_type="v_prediction")


@pytest.mark.parametrize("steps", [2, 5])
@pytest.mark.parametrize("prior", [None, PRIOR], ids=["isotropic", "prior"])
def test_what_is_found_is_no_worse_than_any_solver_as_it_comes(steps: int, prior: Any) -> None:
    quality = error_of(prior)
    found = search_schedule(TRAINED, steps, quality, budget=24)
    assert {trial.solver for trial in found.trials} == set(SAMPLERS)
    for solver in SOLVERS:
        plain = quality(with_solver(TRAINED, solver), steps)
        assert found.best.score <= plain
        assert found.of(solver).best.score <= plain
        assert found.of(solver).trials[0].score == plain
    assert found.best.score < min(quality(with_solver(TRAINED, solver), steps) for solver in SOLVERS)
    assert quality(found.scheduler, steps) == found.best.score


def test_the_descent_finds_lists_that_no_configuration_offers() -> None:
    for solver in ("ddpm", "ddim", "dpm++"):
        found = search_schedule(TRAINED, 4, error_of(), [solver], budget=60)
        offered = [trial for trial in found.trials if "inference_steps" not in trial.scheduler.config]
        assert found.best.score < min(trial.score for trial in offered)
        assert error_of()(found.scheduler, 4) == found.best.score


def test_the_budget_is_kept_for_each_solver_and_no_schedule_is_tried_twice() -> None:
    calls: list[Any] = []

    def quality(scheduler: Any, steps: int) -> float:
        scheduler.set_timesteps(steps)
        kind = [scheduler.config.get(name) for name in ("algorithm_type", "solver_order", "variance_type")]
        sigmas = getattr(scheduler, "sigmas", torch.empty(0)).tolist()
        calls.append((type(scheduler).__name__, *kind, *scheduler.timesteps.tolist(), *sigmas))
        return float(len(calls) % 7)

    found = search_schedule(TRAINED, 4, quality, budget=15)
    assert len(calls) == len(found.trials)
    for solver in SAMPLERS:
        assert 1 <= len(found.of(solver).trials) <= 15
        own = [call for call, trial in zip(calls, found.trials, strict=True) if trial.solver == solver]
        assert len(set(own)) == len(own)
    assert len(search_schedule(TRAINED, 4, quality, ["unipc"], budget=1).trials) == 1


def test_equal_qualities_give_equal_searches() -> None:
    first, second = (search_schedule(TRAINED, 3, error_of(), budget=20) for _ in range(2))
    assert [(t.solver, t.name, t.score) for t in first.trials] == [
        (t.solver, t.name, t.score) for t in second.trials
    ]


def test_a_search_keeps_what_the_network_was_trained_with_and_leaves_the_scheduler_as_it_was() -> None:
    trained = PriorGradScheduler(beta_end=0.25, prediction_type="v_prediction", model_space="white")
    before = dict(trained.config)
    found = search_schedule(trained, 3, lambda scheduler, steps: 0.0, budget=12)
    assert dict(trained.config) == before
    for trial in found.trials:
        assert trial.scheduler.model_space == "white"
        assert trial.scheduler.config["prediction_type"] == "v_prediction"
        torch.testing.assert_close(trial.scheduler.alphas_cumprod, trained.alphas_cumprod)


def test_a_flow_is_searched_over_shifts_lists_of_sigmas_and_the_solvers_that_can_have_it() -> None:
    trained = with_prior(FlowMatchEulerDiscreteScheduler(shift=3.0), model_space="white")
    seen: list[Any] = []

    def quality(scheduler: Any, steps: int) -> float:
        scheduler.set_timesteps(steps)
        seen.append(scheduler)
        return abs(float(scheduler.sigmas[1]) - 0.7)

    found = search_schedule(trained, 3, quality, budget=40)
    assert {trial.solver for trial in found.trials} == {"dpm++", "sde-dpm++", "unipc", "flow"}
    assert all(scheduler.model_space == "white" for scheduler in seen)
    assert found.of("flow").trials[0].scheduler.config["shift"] == 3.0
    assert found.of("unipc").trials[0].scheduler.config["flow_shift"] == 3.0
    assert found.of("flow").best.score < 0.01
    assert found.of("flow").best.name.startswith("sigmas=")


def test_a_scheduler_that_was_found_can_be_searched_again() -> None:
    found = search_schedule(TRAINED, 4, error_of(), budget=16)
    again = search_schedule(found.scheduler, 4, error_of(), budget=16)
    assert again.of("ddim").trials[0].score == found.of("ddim").trials[0].score


def test_a_scheduler_of_diffusers_is_searched_as_its_sibling_is() -> None:
    plain = DDIMScheduler(num_train_timesteps=200, beta_end=0.05, clip_sample=False)
    one, other = (search_schedule(each, 3, error_of(), budget=4) for each in (plain, with_prior(plain)))
    assert [trial.score for trial in one.trials] == [trial.score for trial in other.trials]
    assert {type(trial.scheduler) for trial in one.trials} == {
        type(trial.scheduler) for trial in other.trials
    }


def test_what_is_no_number_counts_as_the_worst() -> None:
    def quality(scheduler: Any, steps: int) -> float:
        return math.nan if isinstance(scheduler, DPMSolverMultistepScheduler) else 1.0

    found = search_schedule(TRAINED, 4, quality, ["dpm++", "unipc"], budget=5)
    assert found.best.solver == "unipc"
    assert found.of("dpm++").best.score == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps=0, expected 1 to 200"),
        ({"num_inference_steps": 201}, "num_inference_steps=201, expected 1 to 200"),
        ({"solvers": ["rk4"]}, "solver='rk4', expected one of 'ddpm', 'ddim'"),
        ({"budget": 0}, "budget=0, expected at least one call"),
        ({"quality": lambda scheduler, steps: math.nan}, "no finite number for any of the .* schedules"),
    ],
)
def test_what_cannot_be_searched_is_an_error_in_one_line(arguments: dict[str, Any], message: str) -> None:
    given = {"num_inference_steps": 4, "quality": lambda scheduler, steps: 0.0, "budget": 2, **arguments}
    with pytest.raises(ValueError, match=message) as error:
        search_schedule(TRAINED, **given)
    assert "\n" not in str(error.value)


def test_a_solver_that_was_not_tried_is_an_error_that_names_those_that_were() -> None:
    found = search_schedule(TRAINED, 2, error_of(), ["ddim"], budget=2)
    with pytest.raises(ValueError, match="solver='unipc' was not tried, expected one of 'ddim'"):
        found.of("unipc")


def test_betas_of_a_flow_are_an_error() -> None:
    flow = with_prior(FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match=r"solver='ddpm', expected one of 'dpm\+\+'"):
        search_schedule(flow, 4, lambda scheduler, steps: 0.0, ["ddpm"])
