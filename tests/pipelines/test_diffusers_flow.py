from __future__ import annotations

import copy
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
    embeddings,
    flux,
    stable_diffusion_3,
    zero_mean_prior,
)
from tests.pipelines.white_space import assert_close, assert_coloured, coloured_states, run, states

PACKED = (16, 16)  # tokens of 2 × 2 latents, as the transformer of Flux sees them
PIPELINES = {"stable diffusion 3": (stable_diffusion_3, LATENT), "flux": (flux, PACKED)}
ARGUMENTS: dict[str, Any] = {
    "prompt": PROMPTS,
    "negative_prompt": ["blurred", "dark"],
    "num_images_per_prompt": 2,
    "num_inference_steps": 3,
    "max_sequence_length": 4,
    "output_type": "latent",
    "height": 16,
    "width": 16,
}
# Guidance in one batch of twice the size, and in two calls of the network.
GUIDANCE = {"stable diffusion 3": {"guidance_scale": 3.0}, "flux": {"true_cfg_scale": 3.0}}
FLOAT32 = 1e-5  # its solver computes in it

Case = tuple[Any, tuple[int, ...], dict[str, Any]]


@pytest.fixture(scope="module", params=PIPELINES)
def case(request: pytest.FixtureRequest) -> Case:
    """A pipeline, the shape of one of its states, and the arguments of a call."""
    make, event_shape = PIPELINES[request.param]
    torch.manual_seed(0)
    return make(), event_shape, {**ARGUMENTS, **GUIDANCE[request.param]}


def test_without_a_prior_no_bit_of_the_images_changes(case: Case) -> None:
    pipe, _, arguments = case
    arguments = {**arguments, "output_type": "pt"}
    plain = run(pipe, pipe.scheduler, **arguments)
    assert torch.equal(run(pipe, with_prior(pipe.scheduler), **arguments), plain)


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_with_latents_of_the_prior_the_states_are_those_of_white_space(case: Case, make_prior: Any) -> None:
    pipe, event_shape, arguments = case
    prior = make_prior(len(PROMPTS), *event_shape).repeat_interleave(2)
    white = embeddings(2 * len(PROMPTS), *event_shape)
    assert_coloured(
        pipe,
        pipe.scheduler,
        prior,
        "data",
        mean_in_output=-1.0,
        tolerance=FLOAT32,
        latents=prior.to_data(white),
        white={"latents": white},
        **arguments,
    )


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_apply_prior_starts_them_from_the_prior(case: Case, make_prior: Any) -> None:
    pipe, event_shape, arguments = case
    prior = make_prior(len(PROMPTS), *event_shape)
    applied = apply_prior(copy.copy(pipe), lambda: prior)
    actual = states(applied, applied.scheduler, **arguments)
    prior = prior.repeat_interleave(2)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", -1.0, **arguments), FLOAT32)


@pytest.mark.parametrize("make_prior", [diagonal_prior, zero_mean_prior, dense_prior])
def test_apply_prior_in_float32(case: Case, make_prior: Any) -> None:
    pipe, event_shape, arguments = case
    pipe = copy.deepcopy(pipe).to(torch.float32)
    prior = make_prior(len(PROMPTS), *event_shape).to(torch.float32)
    applied = apply_prior(copy.copy(pipe), lambda: prior)
    actual = states(applied, applied.scheduler, **arguments)
    prior = prior.repeat_interleave(2)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", -1.0, **arguments), FLOAT32)


@pytest.mark.parametrize("strength", [0.7, 1.0])
@pytest.mark.parametrize("way", ["with_prior", "apply_prior"])
def test_image_to_image_noises_the_image_with_the_prior(way: str, strength: float) -> None:
    pipe = stable_diffusion_3(diffusers.StableDiffusion3Img2ImgPipeline)
    prior = dense_prior(len(PROMPTS), *LATENT)
    image = embeddings(len(PROMPTS), *LATENT, seed=7)
    arguments = {**ARGUMENTS, "num_images_per_prompt": 1, "strength": strength, "guidance_scale": 3.0}
    if way == "apply_prior":
        with_the_prior = apply_prior(copy.copy(pipe), lambda: prior)
        scheduler = with_the_prior.scheduler
    else:
        with_the_prior, scheduler = pipe, with_prior(pipe.scheduler, "data")
        scheduler.set_prior(prior)
    actual = states(with_the_prior, scheduler, image=image, **arguments)
    arguments["image"] = prior.to_white(image)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", -1.0, **arguments), FLOAT32)
