"""Pipelines that take white noise as their first state, whatever the scheduler's `init_noise_sigma`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffusers
import pytest
import torch

from priordiff import apply_prior, with_prior
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    dense_prior,
    diagonal_prior,
    dit,
    latent_diffusion,
    ready,
    unconditional_unet,
    zero_mean_prior,
)
from tests.pipelines.white_space import assert_close, coloured_states, run, states

IMAGE = (3, 8, 8)


@dataclass
class Case:
    make: Callable[[], Any]
    event_shape: tuple[int, ...]
    batch: int
    arguments: dict[str, Any]


CASES = {
    "DDPM": Case(
        lambda: ready(
            diffusers.DDPMPipeline(unconditional_unet(), diffusers.DDPMScheduler(clip_sample=False))
        ),
        IMAGE,
        2,
        {"batch_size": 2},
    ),
    "DDIM": Case(
        lambda: ready(
            diffusers.DDIMPipeline(unconditional_unet(), diffusers.DDIMScheduler(clip_sample=False))
        ),
        IMAGE,
        2,
        {"batch_size": 2, "eta": 0.5},
    ),
    "latent diffusion": Case(
        latent_diffusion,
        LATENT,
        len(PROMPTS),
        {"prompt": PROMPTS, "guidance_scale": 3.0, "height": 64, "width": 64},
    ),
    "DiT": Case(dit, LATENT, 2, {"class_labels": [7, 207], "guidance_scale": 3.0}),
    "DiT without guidance": Case(dit, LATENT, 2, {"class_labels": [7, 207], "guidance_scale": 1.0}),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, Case]:
    torch.manual_seed(0)
    case = CASES[request.param]
    case.arguments |= {"num_inference_steps": 3, "output_type": "pt"}
    return case.make(), case


def test_without_a_prior_no_bit_of_the_images_changes(case: tuple[Any, Case]) -> None:
    pipe, case = case
    plain = run(pipe, pipe.scheduler, **case.arguments)
    assert torch.equal(run(pipe, with_prior(pipe.scheduler), **case.arguments), plain)


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_apply_prior_starts_them_from_the_prior(case: tuple[Any, Case], make_prior: Any) -> None:
    pipe, case = case
    prior = make_prior(case.batch, *case.event_shape)
    applied = apply_prior(copy.copy(pipe), lambda: prior)
    actual = states(applied, applied.scheduler, **case.arguments)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", **case.arguments))


@pytest.mark.parametrize("make_prior", [diagonal_prior, zero_mean_prior, dense_prior])
def test_apply_prior_in_float32(case: tuple[Any, Case], make_prior: Any) -> None:
    pipe, case = case
    pipe = copy.deepcopy(pipe).to(torch.float32)
    prior = make_prior(case.batch, *case.event_shape).to(torch.float32)
    applied = apply_prior(copy.copy(pipe), lambda: prior)
    actual = states(applied, applied.scheduler, **case.arguments)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", **case.arguments), 1e-4)
