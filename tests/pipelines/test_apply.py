from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from priordiff import DiagonalPrior, GaussianPrior, PriorEstimator, apply_prior, with_prior
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    dense_prior,
    diagonal_prior,
    embeddings,
    flux,
    latent_diffusion,
    ready,
    stable_diffusion,
    stable_diffusion_xl,
    unconditional_unet,
)
from tests.pipelines.white_space import assert_close, coloured_states, run, states

ARGUMENTS = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "latent"}


@pytest.fixture(scope="module")
def plain() -> Any:
    torch.manual_seed(0)
    return stable_diffusion()


@pytest.fixture(scope="module")
def ddpm() -> Any:
    torch.manual_seed(0)
    return ready(diffusers.DDPMPipeline(unconditional_unet(), diffusers.DDPMScheduler(clip_sample=False)))


class WordsEstimator(PriorEstimator):
    """The longer a prompt, the brighter."""

    def forward(self, prompt: Sequence[str]) -> DiagonalPrior:
        words = torch.tensor([float(len(each.split())) for each in prompt])
        return DiagonalPrior(words.reshape(-1, 1, 1, 1), std=0.5)


def applied_to(pipe: Any, estimator: Any, model_space: str | None = None) -> Any:
    """A copy of the pipeline, since the others use it too, with a prior for each call."""
    return apply_prior(copy.copy(pipe), estimator, model_space)


def prior_in(pipe: Any, **arguments: Any) -> GaussianPrior:
    """The prior that the scheduler has while the pipeline makes something."""
    seen = []

    def remember(module: Any, *inputs: Any) -> None:
        seen.append(pipe.scheduler.prior)

    hook = pipe.unet.register_forward_pre_hook(remember)
    try:
        pipe(num_inference_steps=1, **arguments)
    finally:
        hook.remove()
    return seen[0]


def test_the_prior_is_that_of_the_call_s_own_arguments(plain: Any) -> None:
    pipe = applied_to(plain, WordsEstimator())
    prior = WordsEstimator()(PROMPTS).to(torch.float64).repeat_interleave(2)
    assert prior.mean.flatten().tolist() == [3.0, 3.0, 5.0, 5.0]
    arguments = {**ARGUMENTS, "prompt": PROMPTS, "num_images_per_prompt": 2}
    actual = states(pipe, pipe.scheduler, **arguments)
    # The prior broadcasts, but a reference has to know how many channels a state has.
    everywhere = DiagonalPrior(prior.mean.expand(4, *LATENT), prior.std.expand(4, *LATENT))
    assert_close(actual, coloured_states(plain, plain.scheduler, everywhere, "centered", **arguments))


def test_a_positional_argument_is_one_of_the_call_s_too(plain: Any) -> None:
    pipe = applied_to(plain, WordsEstimator())
    assert torch.equal(
        pipe(PROMPTS, generator=torch.Generator().manual_seed(5), **ARGUMENTS).images,
        run(pipe, pipe.scheduler, prompt=PROMPTS, **ARGUMENTS),
    )


def test_an_argument_that_the_pipeline_does_not_take_goes_to_the_estimator_alone(ddpm: Any) -> None:
    pipe = applied_to(ddpm, lambda brightness, batch_size: DiagonalPrior(brightness, 0.5 * batch_size))
    prior = prior_in(pipe, brightness=0.3, batch_size=3)
    assert prior.mean.item() == pytest.approx(0.3)
    assert prior.std.item() == 1.5


def test_an_estimator_that_asks_for_the_number_of_images_repeats_its_prior_itself(plain: Any) -> None:
    def estimator(prompt: list[str], num_images_per_prompt: int) -> DiagonalPrior:
        return diagonal_prior(len(prompt) * num_images_per_prompt, *LATENT)

    pipe = applied_to(plain, estimator)
    assert prior_in(pipe, prompt=PROMPTS, num_images_per_prompt=3).batch_size == 6


def test_an_argument_that_is_left_out_has_the_pipeline_s_default(plain: Any) -> None:
    def estimator(guidance_scale: float) -> DiagonalPrior:
        return DiagonalPrior(guidance_scale, 1.0)

    assert prior_in(applied_to(plain, estimator), prompt=PROMPTS).mean.item() == 7.5


def test_the_prior_is_moved_to_the_pipeline_s_dtype(ddpm: Any) -> None:
    pipe = applied_to(ddpm, lambda: DiagonalPrior(torch.zeros(1, 3, 8, 8), 0.5))
    assert prior_in(pipe).mean.dtype == torch.float64


def test_no_gradient_of_the_estimator_is_kept(ddpm: Any) -> None:
    scale = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
    pipe = applied_to(ddpm, lambda: DiagonalPrior(torch.zeros(1, 3, 8, 8).double(), scale))
    assert not states(pipe, pipe.scheduler, num_inference_steps=1).requires_grad


@pytest.mark.parametrize(
    ("make", "arguments", "event_shape", "model_space"),
    [
        (stable_diffusion, {}, LATENT, "centered"),
        (latent_diffusion, {"height": 64, "width": 64, "output_type": "pt"}, LATENT, "data"),
        (flux, {"height": 16, "width": 16, "max_sequence_length": 4}, (16, 16), "data"),
    ],
)
def test_latents_are_white_noise_to_every_pipeline(
    make: Any, arguments: dict[str, Any], event_shape: tuple[int, ...], model_space: str
) -> None:
    plain = make()
    prior = diagonal_prior(len(PROMPTS), *event_shape)
    pipe = applied_to(plain, lambda: prior)
    arguments = {
        **ARGUMENTS,
        "prompt": PROMPTS,
        "latents": embeddings(len(PROMPTS), *event_shape),
        **arguments,
    }
    mean_in_output = -1.0 if make is flux else 0.0
    expected = coloured_states(plain, plain.scheduler, prior, model_space, mean_in_output, **arguments)
    assert_close(states(pipe, pipe.scheduler, **arguments), expected, tolerance=1e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_an_image_that_has_the_prior_s_noise_gets_it_once(plain: Any, strength: float) -> None:
    plain = diffusers.StableDiffusionImg2ImgPipeline(**plain.components, requires_safety_checker=False)
    prior = dense_prior(len(PROMPTS), *LATENT)
    image = embeddings(len(PROMPTS), *LATENT, seed=7)
    pipe = applied_to(plain, lambda: prior)
    arguments = {**ARGUMENTS, "prompt": PROMPTS, "strength": strength}
    actual = states(pipe, pipe.scheduler, image=image, **arguments)
    arguments["image"] = prior.to_white(image)
    assert_close(actual, coloured_states(plain, plain.scheduler, prior, "centered", **arguments))


def test_the_pipeline_stays_what_it_was(plain: Any) -> None:
    pipe = applied_to(plain, WordsEstimator())
    assert isinstance(pipe, diffusers.StableDiffusionPipeline)
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    assert isinstance(pipe.scheduler, type(plain.scheduler))
    assert type(plain) is diffusers.StableDiffusionPipeline


def test_applied_again_it_takes_the_new_estimator(ddpm: Any) -> None:
    pipe = applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0))
    apply_prior(pipe, lambda: DiagonalPrior(0.0, 2.0))
    assert prior_in(pipe).std.item() == 2.0


def test_two_pipelines_of_a_class_have_their_own_estimators(ddpm: Any) -> None:
    one = applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0))
    two = applied_to(ddpm, lambda: DiagonalPrior(0.0, 2.0))
    assert prior_in(one).std.item() == 1.0
    assert prior_in(two).std.item() == 2.0


def test_after_a_call_the_scheduler_has_the_prior_that_it_had_before(ddpm: Any) -> None:
    pipe = applied_to(ddpm, lambda batch_size: DiagonalPrior(0.0, 1.0))
    pipe(num_inference_steps=1)
    assert pipe.scheduler.prior is None
    own = DiagonalPrior(1.0, 2.0)
    pipe.scheduler.set_prior(own)
    with pytest.raises(TypeError):
        pipe(num_inference_steps="a few")
    assert pipe.scheduler.prior is own


def test_a_saved_pipeline_loads_as_one_of_its_class(ddpm: Any, tmp_path: Path) -> None:
    applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0)).save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(loaded) is diffusers.DDPMPipeline
    assert type(loaded.scheduler).__name__ == "PriorGradDDPMScheduler"


def test_a_plain_scheduler_in_its_place_is_an_error(ddpm: Any) -> None:
    pipe = applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0))
    pipe.scheduler = diffusers.DDIMScheduler()
    with pytest.raises(ValueError, match=r"plain DDIMScheduler: give it with_prior\(scheduler\)"):
        pipe(num_inference_steps=1)
    pipe.scheduler = with_prior(diffusers.DDIMScheduler(), "data")
    assert prior_in(pipe).std.item() == 1.0


def test_what_is_not_a_prior_is_an_error(ddpm: Any) -> None:
    with pytest.raises(ValueError, match="the estimator returned a Tensor, expected a GaussianPrior"):
        applied_to(ddpm, lambda: torch.zeros(1))(num_inference_steps=1)


def test_an_estimator_must_name_its_arguments(ddpm: Any) -> None:
    with pytest.raises(ValueError, match=r"arguments \['conditioning'\] have no names of their own"):
        applied_to(ddpm, lambda *conditioning: DiagonalPrior(0.0, 1.0))


def test_a_network_that_is_shown_the_state_itself_works_in_data_space(ddpm: Any, plain: Any) -> None:
    assert applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0)).scheduler.model_space == "data"
    assert applied_to(plain, lambda: DiagonalPrior(0.0, 1.0)).scheduler.model_space == "centered"
    assert applied_to(plain, lambda: DiagonalPrior(0.0, 1.0), "white").scheduler.model_space == "white"
    with pytest.raises(
        ValueError, match="model_space='white', expected 'data': DDPMPipeline shows its network"
    ):
        applied_to(ddpm, lambda: DiagonalPrior(0.0, 1.0), "white")


def test_a_prior_that_does_not_fit_the_latents_is_an_error(plain: Any) -> None:
    pipe = applied_to(plain, lambda: diagonal_prior(3, *LATENT))
    with pytest.raises(ValueError, match=r"3 Gaussians over events of shape \(4, 8, 8\)"):
        pipe(PROMPTS, **ARGUMENTS)


def test_a_pipeline_without_a_scheduler_is_an_error() -> None:
    class Pipeline(diffusers.DiffusionPipeline):
        pass

    with pytest.raises(ValueError, match="Pipeline has no scheduler"):
        apply_prior(Pipeline(), lambda: DiagonalPrior(0.0, 1.0))


def test_two_pipelines_that_share_the_steps_give_what_one_gives() -> None:
    base = stable_diffusion_xl()
    refiner = diffusers.StableDiffusionXLImg2ImgPipeline(**base.components, add_watermarker=False)
    base, refiner = (apply_prior(pipe, WordsEstimator()) for pipe in (base, refiner))
    arguments = {**ARGUMENTS, "prompt": PROMPTS, "num_inference_steps": 4}
    half_way = run(base, base.scheduler, denoising_end=0.5, **arguments)
    shared = run(refiner, refiner.scheduler, image=half_way, denoising_start=0.5, **arguments)
    torch.testing.assert_close(shared, run(base, base.scheduler, **arguments), rtol=1e-10, atol=1e-10)


def test_float32_latents_of_a_bfloat16_network_have_a_float32_prior() -> None:
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=1,
        attention_head_dim=12,
        in_channels=2,
        out_channels=2,
        text_dim=4,
        freq_dim=4,
        ffn_dim=4,
        num_layers=1,
    )
    pipe = diffusers.WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=None,
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
    apply_prior(ready(pipe, torch.bfloat16), lambda: DiagonalPrior(torch.ones(1, 2, 1, 4, 4), 0.5))
    video = pipe(
        prompt_embeds=torch.zeros(1, 3, 4, dtype=torch.bfloat16),
        guidance_scale=1.0,
        height=32,
        width=32,
        num_frames=1,
        num_inference_steps=2,
        output_type="latent",
    )
    assert video.frames.isfinite().all()
