from __future__ import annotations

import copy
import logging
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.utils import logging as diffusers_logging

from priordiff import DiagonalPrior, PriorGradScheduler, with_prior

MISSING = r"made for a prior from set_prior\(DiagonalPrior\), and has none, .* call that again"
STATE = torch.zeros(1, 2)
USES: dict[str, Callable[[Any], Any]] = {
    "init_noise_sigma": lambda scheduler: scheduler.init_noise_sigma,
    "scale_model_input": lambda scheduler: scheduler.scale_model_input(STATE, 1),
    "add_noise": lambda scheduler: scheduler.add_noise(STATE, STATE, torch.tensor([1])),
    "training_target": lambda scheduler: scheduler.training_target(STATE, STATE, torch.tensor([1])),
    "step": lambda scheduler: scheduler.step(STATE, scheduler.timesteps[0], STATE),
}


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What diffusers warns of."""
    diffusers_logging.enable_propagation()
    with caplog.at_level(logging.WARNING):
        yield caplog
    diffusers_logging.disable_propagation()


@pytest.fixture(params=[diffusers.DDIMScheduler, diffusers.DPMSolverMultistepScheduler, PriorGradScheduler])
def scheduler(request: pytest.FixtureRequest) -> Any:
    """One that has a prior."""
    scheduler = with_prior(request.param())
    scheduler.set_prior(DiagonalPrior(0.0, 0.5))
    scheduler.set_timesteps(4)
    return scheduler


def from_config(scheduler: Any, _: Path) -> Any:
    return type(scheduler).from_config(scheduler.config)


def from_folder(scheduler: Any, folder: Path) -> Any:
    scheduler.save_pretrained(folder)
    return type(scheduler).from_pretrained(folder)


@pytest.mark.parametrize("again", [from_config, from_folder])
def test_a_scheduler_made_again_works_without_its_prior_and_says_once_that_it_has_none(
    scheduler: Any, again: Any, tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    other = again(scheduler, tmp_path)
    assert other.prior is None
    assert not warnings.records
    other.set_timesteps(4)
    for use in USES.values():
        use(other)
    (record,) = warnings.records
    assert re.search(MISSING, record.message)


@pytest.mark.parametrize("again", [from_config, from_folder])
def test_one_whose_pipeline_had_an_estimator_refuses_to_work(
    scheduler: Any, again: Any, tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    scheduler.set_prior(None)
    scheduler.expect_prior("apply_prior(pipe, WordsEstimator)")
    other = again(scheduler, tmp_path)
    assert not warnings.records
    other.set_timesteps(4)
    for each in (scheduler, other):
        for use in USES.values():
            with pytest.raises(
                ValueError, match=r"made for a prior from apply_prior\(pipe, WordsEstimator\)"
            ):
                use(each)


@pytest.mark.parametrize("prior", [None, DiagonalPrior(0.0, 0.5)])
@pytest.mark.parametrize("again", [from_config, from_folder])
def test_once_it_is_told_its_prior_or_none_it_works(
    scheduler: Any, again: Any, prior: DiagonalPrior | None, tmp_path: Path
) -> None:
    other = again(scheduler, tmp_path)
    other.set_prior(prior)
    other.set_timesteps(4)
    for use in USES.values():
        use(other)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))])
def test_a_copy_has_the_prior(scheduler: Any, copied: Any) -> None:
    other = copied(scheduler)
    assert other.prior is not None
    for use in USES.values():
        use(other)


def test_what_never_had_a_prior_has_the_plain_configuration(scheduler: Any) -> None:
    scheduler.set_prior(None)
    assert "expects_prior_from" not in scheduler.config
    assert "expects_prior_from" not in type(scheduler).from_config(scheduler.config).config


def test_a_plain_scheduler_that_takes_its_place_drops_the_prior_with_a_warning(
    warnings: pytest.LogCaptureFixture,
) -> None:
    scheduler = with_prior(diffusers.DDIMScheduler())
    scheduler.set_prior(DiagonalPrior(0.0, 0.5))
    plain = diffusers.DPMSolverMultistepScheduler.from_config(scheduler.config)
    assert "'expects_prior_from': 'set_prior(DiagonalPrior)'" in warnings.text
    with_prior(plain).scale_model_input(STATE, 1)
    assert re.search(MISSING, warnings.text)
