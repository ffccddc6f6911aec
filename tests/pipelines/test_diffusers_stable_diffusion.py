from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, with_prior
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    dense_prior,
    diagonal_prior,
    embeddings,
    stable_diffusion,
    zero_mean_prior,
)
from tests.pipelines.white_space import assert_coloured, run, states

SOLVERS = [
    "DDIMScheduler",
    "PNDMScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "LCMScheduler",
]
IMAGES_PER_PROMPT = 2
TWO_PROMPTS = {
    "prompt": PROMPTS,
    "negative_prompt": ["blurred", "dark"],
    "num_images_per_prompt": IMAGES_PER_PROMPT,
    "guidance_scale": 3.0,
    "num_inference_steps": 3,
    "output_type": "latent",
}


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.manual_seed(0)
    return stable_diffusion()


def solver(pipe: Any, name: str) -> Any:
    """Swapped in as users of diffusers do it."""
    return getattr(diffusers, name).from_config(pipe.scheduler.config)


def prior_per_prompt(make: Any = diagonal_prior) -> Any:
    return make(len(PROMPTS), *LATENT).repeat_interleave(IMAGES_PER_PROMPT)


def image_latents() -> Tensor:
    """What the autoencoder made of an image for each prompt; inpainting rounds it to float32."""
    return embeddings(len(PROMPTS), *LATENT, seed=7).float().double()


@pytest.mark.parametrize("name", SOLVERS)
def test_without_a_prior_no_bit_of_the_images_changes(pipe: Any, name: str) -> None:
    scheduler = solver(pipe, name)
    arguments = {**TWO_PROMPTS, "output_type": "pt"}
    assert torch.equal(run(pipe, with_prior(scheduler), **arguments), run(pipe, scheduler, **arguments))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_prior_per_prompt_with_guidance_and_several_images_of_each(pipe: Any, name: str) -> None:
    assert_coloured(pipe, solver(pipe, name), prior_per_prompt(), **TWO_PROMPTS)


@pytest.mark.parametrize("make_prior", [diagonal_prior, zero_mean_prior, dense_prior])
@pytest.mark.parametrize("name", SOLVERS)
def test_in_float32(name: str, make_prior: Any) -> None:
    torch.manual_seed(0)
    pipe = stable_diffusion().to(torch.float32)
    prior = prior_per_prompt(make_prior).to(torch.float32)
    assert_coloured(pipe, solver(pipe, name), prior, tolerance=1e-4, **TWO_PROMPTS)


@pytest.mark.parametrize("model_space", ["centered", "data", "white"])
def test_a_dense_covariance_in_each_model_space(pipe: Any, model_space: str) -> None:
    scheduler = solver(pipe, "DDIMScheduler")
    assert_coloured(pipe, scheduler, prior_per_prompt(dense_prior), model_space, eta=0.5, **TWO_PROMPTS)


def test_a_callback_sees_and_may_change_latents_in_data_space(pipe: Any) -> None:
    scheduler, prior = with_prior(solver(pipe, "DDIMScheduler")), prior_per_prompt()
    scheduler.set_prior(prior)
    seen = []

    def callback(pipe: Any, index: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(tensors["latents"])
        return {"latents": image_latents().repeat_interleave(IMAGES_PER_PROMPT, 0)} if index == 2 else tensors

    expected = states(pipe, scheduler, **TWO_PROMPTS)
    images = run(pipe, scheduler, callback_on_step_end=callback, **TWO_PROMPTS)
    assert torch.equal(torch.stack(seen), expected)
    assert torch.equal(images, image_latents().repeat_interleave(IMAGES_PER_PROMPT, 0))


def test_what_is_made_in_a_batch_is_what_is_made_alone(pipe: Any) -> None:
    prior = diagonal_prior(len(PROMPTS), *LATENT)
    batch = make(pipe, prior, PROMPTS, [0, 1])
    for index, prompt in enumerate(PROMPTS):
        of_item = DiagonalPrior(prior.mean[index : index + 1], prior.std[index : index + 1])
        alone = make(pipe, of_item, [prompt], [index])
        torch.testing.assert_close(batch[index : index + 1], alone, rtol=1e-10, atol=1e-10)


def make(pipe: Any, prior: DiagonalPrior, prompts: list[str], seeds: list[int]) -> Tensor:
    """Latents under a prior by a solver that draws noise, each from a generator of its own."""
    scheduler = with_prior(solver(pipe, "EulerAncestralDiscreteScheduler"))
    scheduler.set_prior(prior)
    generator = [torch.Generator().manual_seed(seed) for seed in seeds]
    arguments = {"generator": generator, "num_inference_steps": 3, "output_type": "latent"}
    return run(pipe, scheduler, prompt=prompts, **arguments)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_pipeline_is_built_with_a_sibling_as_with_the_plain_scheduler(pipe: Any) -> None:
    # Of a configuration that the pipeline corrects, with a warning.
    scheduler = diffusers.DDIMScheduler(steps_offset=0, clip_sample=True)
    parts = {**pipe.components, "requires_safety_checker": False}
    built = diffusers.StableDiffusionPipeline(**{**parts, "scheduler": with_prior(scheduler)})
    plain = diffusers.StableDiffusionPipeline(**{**parts, "scheduler": scheduler})
    assert built.scheduler.config.steps_offset == 1
    arguments = {**TWO_PROMPTS, "output_type": "pt"}
    assert torch.equal(run(built, built.scheduler, **arguments), run(plain, plain.scheduler, **arguments))


def other_pipeline(pipe: Any, kind: type) -> Any:
    """Of the same components."""
    other: Any = kind(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    return other


@pytest.fixture(scope="module")
def image_to_image(pipe: Any) -> Any:
    return other_pipeline(pipe, diffusers.StableDiffusionImg2ImgPipeline)


ONE_IMAGE_PER_PROMPT = {**TWO_PROMPTS, "num_images_per_prompt": 1}


def pixels(channels: int = 3) -> Tensor:
    return torch.rand(len(PROMPTS), channels, 16, 16, generator=torch.Generator().manual_seed(8)).double()


@pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_image_to_image_without_a_prior_changes_no_bit(image_to_image: Any, name: str) -> None:
    scheduler = solver(image_to_image, name)
    arguments = {**ONE_IMAGE_PER_PROMPT, "image": pixels(), "strength": 0.7, "output_type": "pt"}
    assert torch.equal(
        run(image_to_image, with_prior(scheduler), **arguments), run(image_to_image, scheduler, **arguments)
    )


@pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_image_to_image_noises_the_image_with_the_prior(image_to_image: Any, name: str) -> None:
    prior = dense_prior(len(PROMPTS), *LATENT)
    assert_coloured(
        image_to_image,
        solver(image_to_image, name),
        prior,
        image=image_latents(),
        white={"image": prior.to_white(image_latents())},
        strength=0.7,
        **ONE_IMAGE_PER_PROMPT,
    )


INPAINT_CHANNELS = [LATENT[0], 2 * LATENT[0] + 1]


@pytest.fixture(scope="module", params=INPAINT_CHANNELS, ids=["plain network", "network sees the mask"])
def inpainting(pipe: Any, request: pytest.FixtureRequest) -> Any:
    return stable_diffusion(diffusers.StableDiffusionInpaintPipeline, in_channels=request.param)


def left_half() -> Tensor:
    """A mask for pixels: what is to be painted."""
    mask = torch.zeros(len(PROMPTS), 1, 16, 16, dtype=torch.float64)
    mask[..., :8] = 1
    return mask


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_inpainting_without_a_prior_changes_no_bit(inpainting: Any, strength: float) -> None:
    arguments = {
        **ONE_IMAGE_PER_PROMPT,
        "image": pixels(),
        "mask_image": left_half(),
        "strength": strength,
        "output_type": "pt",
    }
    scheduler = inpainting.scheduler
    assert torch.equal(
        run(inpainting, with_prior(scheduler), **arguments), run(inpainting, scheduler, **arguments)
    )


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_inpainting_is_that_of_white_space_where_a_mask_means_the_same_there(
    inpainting: Any, strength: float
) -> None:
    prior = diagonal_prior(len(PROMPTS), *LATENT)
    assert_coloured(
        inpainting,
        inpainting.scheduler,
        prior,
        image=image_latents(),
        white={"image": prior.to_white(image_latents())},
        masked_image_latents=image_latents(),
        mask_image=left_half(),
        strength=strength,
        tolerance=1e-5,
        **ONE_IMAGE_PER_PROMPT,
    )


def test_inpainting_keeps_the_known_region_whatever_the_covariance(pipe: Any) -> None:
    inpainting = other_pipeline(pipe, diffusers.StableDiffusionInpaintPipeline)
    scheduler = with_prior(solver(pipe, "DDIMScheduler"))
    scheduler.set_prior(dense_prior(len(PROMPTS), *LATENT))
    painted = run(
        inpainting,
        scheduler,
        image=image_latents(),
        masked_image_latents=image_latents(),
        mask_image=left_half(),
        **ONE_IMAGE_PER_PROMPT,
    )
    assert torch.equal(painted[..., 4:], image_latents()[..., 4:])
    assert (painted - image_latents())[..., :4].abs().min() > 0
