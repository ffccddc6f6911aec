from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from priordiff import with_prior
from tests.pipelines.tiny import LATENT, PROMPTS, diagonal_prior, stable_diffusion_xl
from tests.pipelines.white_space import assert_coloured, run

SOLVERS = ["DDIMScheduler", "EulerDiscreteScheduler"]
ARGUMENTS = {
    "prompt": PROMPTS,
    "negative_prompt": ["blurred", "dark"],
    "guidance_scale": 3.0,
    "num_inference_steps": 4,
    "output_type": "latent",
}


@pytest.fixture(scope="module")
def base() -> Any:
    torch.manual_seed(0)
    return stable_diffusion_xl()


@pytest.fixture(scope="module")
def refiner(base: Any) -> Any:
    refiner = diffusers.StableDiffusionXLImg2ImgPipeline(**base.components, add_watermarker=False)
    refiner.set_progress_bar_config(disable=True)
    return refiner


def solver(pipe: Any, name: str) -> Any:
    return getattr(diffusers, name).from_config(pipe.scheduler.config, clip_sample=False)


@pytest.mark.parametrize("name", SOLVERS)
def test_without_a_prior_no_bit_of_the_images_changes(base: Any, name: str) -> None:
    scheduler = solver(base, name)
    arguments = {**ARGUMENTS, "output_type": "pt"}
    assert torch.equal(run(base, with_prior(scheduler), **arguments), run(base, scheduler, **arguments))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_prior_per_prompt_with_guidance_and_several_images_of_each(base: Any, name: str) -> None:
    prior = diagonal_prior(len(PROMPTS), *LATENT).repeat_interleave(2)
    assert_coloured(base, solver(base, name), prior, num_images_per_prompt=2, **ARGUMENTS)


@pytest.mark.parametrize("name", SOLVERS)
def test_two_pipelines_that_share_the_steps_give_what_one_gives(base: Any, refiner: Any, name: str) -> None:
    scheduler = with_prior(solver(base, name))
    scheduler.set_prior(diagonal_prior(len(PROMPTS), *LATENT))
    half_way = run(base, scheduler, denoising_end=0.5, **ARGUMENTS)
    shared = run(refiner, scheduler, image=half_way, denoising_start=0.5, **ARGUMENTS)
    torch.testing.assert_close(shared, run(base, scheduler, **ARGUMENTS), rtol=1e-10, atol=1e-10)
