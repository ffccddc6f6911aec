from __future__ import annotations

import copy
import inspect
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

from priordiff import DiagonalPrior, PriorGradScheduler, with_prior
from priordiff.schedulers import PriorSchedulerMixin

LISTS: dict[str, tuple[Any, list[float]]] = {
    "betas": (PriorGradScheduler, [0.001, 0.05, 0.5]),
    "timesteps": (lambda: with_prior(DPMSolverMultistepScheduler()), [900, 400, 7]),
    "sigmas": (lambda: with_prior(FlowMatchEulerDiscreteScheduler()), [1.0, 0.75, 0.25]),
}


def timesteps(scheduler: Any, steps: int) -> list[float]:
    scheduler.set_timesteps(steps, device="cpu")
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize("argument", LISTS)
def test_a_number_of_steps_stands_for_the_list_that_is_remembered_in_every_copy(
    argument: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, steps = LISTS[argument]
    scheduler, expected = make(), make()
    expected.set_timesteps(**{argument: steps})
    plain = timesteps(make(), 4)
    scheduler.remember_steps(steps, argument)
    scheduler.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        loaded = type(scheduler).from_pretrained(tmp_path)
    assert not caplog.records
    copies = [scheduler, loaded, type(scheduler).from_config(scheduler.config), with_prior(scheduler)]
    for each in (*copies, copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert timesteps(each, 3) == expected.timesteps.tolist()
        assert timesteps(each, 4) == plain, "another number is not concerned"


def test_a_list_that_a_call_gives_comes_first() -> None:
    scheduler = PriorGradScheduler()
    scheduler.remember_steps([0.001, 0.05, 0.5])
    scheduler.set_timesteps(betas=[0.01, 0.1, 0.2])
    plain = PriorGradScheduler()
    plain.set_timesteps(betas=[0.01, 0.1, 0.2])
    assert torch.equal(scheduler.timesteps, plain.timesteps)


def test_further_keywords_of_a_call_arrive_beside_the_list() -> None:
    class Further(DPMSolverMultistepScheduler):
        def set_timesteps(
            self, num_inference_steps: Any = None, device: Any = None, timesteps: Any = None, **further: Any
        ) -> None:
            super().set_timesteps(num_inference_steps, device, timesteps=timesteps)
            self.further = further

    scheduler = with_prior(Further())
    scheduler.remember_steps([900, 400, 7])
    scheduler.set_timesteps(3, "cpu", shift=2.0)
    assert scheduler.timesteps.tolist() == [900, 400, 7]
    assert scheduler.further == {"shift": 2.0}


def test_lists_of_several_lengths_are_remembered_and_the_last_of_one_length_is_kept() -> None:
    scheduler = PriorGradScheduler()
    for steps in ([0.1, 0.5], [0.001, 0.05, 0.5], [0.2, 0.6]):
        scheduler.remember_steps(steps)
    assert scheduler.config["inference_steps"]["PriorGradScheduler"].keys() == {"2", "3"}
    scheduler.set_timesteps(2)
    assert scheduler._list_levels is not None
    torch.testing.assert_close(1 - scheduler._list_levels[0], torch.tensor(0.2).double())


def test_another_solver_keeps_its_own_steps() -> None:
    papers = PriorGradScheduler()
    papers.remember_steps([0.001, 0.05, 0.5])
    solver = with_prior(DPMSolverMultistepScheduler(num_train_timesteps=50))
    assert timesteps(type(solver).from_config(papers.config), 3) == timesteps(solver, 3)
    again = PriorGradScheduler.from_config(type(solver).from_config(papers.config).config)
    assert timesteps(again, 3) == timesteps(papers, 3)


def test_remembered_steps_sample_under_a_prior_as_given_ones_do() -> None:
    x = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(0))
    samples = []
    for remembers in (True, False):
        scheduler = with_prior(DPMSolverMultistepScheduler())
        scheduler.set_prior(DiagonalPrior(1.0, 0.5))
        if remembers:
            scheduler.remember_steps([900, 400, 7])
            scheduler.set_timesteps(3)
        else:
            scheduler.set_timesteps(timesteps=[900, 400, 7])
        state = x
        for t in scheduler.timesteps:
            state = scheduler.step(0.1 * scheduler.scale_model_input(state, t), t, state).prev_sample
        samples.append(state)
    assert torch.equal(*samples)


def test_set_timesteps_looks_as_it_did() -> None:
    for plain in (DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler):
        sibling = type(with_prior(plain()))
        assert inspect.signature(sibling.set_timesteps) == inspect.signature(plain.set_timesteps)
        assert issubclass(sibling, PriorSchedulerMixin)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (
            lambda: with_prior(DDIMScheduler()),
            ([9, 3],),
            "argument=None, .* of PriorGradDDIM.*: no list at all",
        ),
        (PriorGradScheduler, ([9, 3], "sigmas"), "argument='sigmas', .*: betas, timesteps"),
        (PriorGradScheduler, ([0.5, 0.1],), "is not increasing"),
        (PriorGradScheduler, ([0.00001, 0.1],), "beta=1e-05"),
    ],
)
def test_a_list_that_cannot_be_had_is_an_error(make: Any, arguments: tuple[Any, ...], message: str) -> None:
    scheduler = make()
    with pytest.raises(ValueError, match=message):
        scheduler.remember_steps(*arguments)
    assert "inference_steps" not in scheduler.config
