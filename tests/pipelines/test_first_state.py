from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from einops import rearrange
from torch import Tensor

from priordiff import DiagonalPrior, apply_prior, with_prior
from priordiff.pipelines.first_state import starting_from_prior
from tests.pipelines.pipelines_of_diffusers import PIPELINES, code_of
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    dense_prior,
    diagonal_prior,
    embeddings,
    flux,
    ready,
    unconditional_unet,
)
from tests.pipelines.white_space import assert_close, coloured_states, states

PACKED = (16, 16)
FLOAT32 = 1e-5  # the solver of flow matching computes in it
FLUX: dict[str, Any] = {
    "prompt": PROMPTS,
    "num_inference_steps": 3,
    "max_sequence_length": 4,
    "output_type": "latent",
    "height": 16,
    "width": 16,
    "strength": 0.7,
}
SELF_PACKING = {"VisualClozeGenerationPipeline"}  # before the noise is added
NOISE_THEN_PACK = [
    name
    for name, each in PIPELINES.items()
    if hasattr(each, "_pack_latents") and "scale_noise(" in code_of(name) and name not in SELF_PACKING
]


def packed(latents: Tensor) -> Tensor:
    return rearrange(latents, "b c (h p) (w q) -> b (h w) (c p q)", p=2, q=2)


def unpacked(tokens: Tensor) -> Tensor:
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=LATENT[1] // 2, p=2, q=2)


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_image_to_image_of_tokens_starts_from_a_prior_over_tokens(make_prior: Any) -> None:
    plain = diffusers.FluxImg2ImgPipeline(**flux().components)
    plain.set_progress_bar_config(disable=True)
    prior, image = make_prior(len(PROMPTS), *PACKED), embeddings(len(PROMPTS), *LATENT, seed=7)
    pipe = apply_prior(copy.copy(plain), lambda: prior)
    actual = states(pipe, pipe.scheduler, image=image, **FLUX)
    white_image = unpacked(prior.to_white(packed(image)))
    expected = coloured_states(plain, plain.scheduler, prior, "data", -1.0, image=white_image, **FLUX)
    assert_close(actual, expected, FLOAT32)


def test_inpainting_of_tokens_keeps_what_is_known() -> None:
    plain = diffusers.FluxInpaintPipeline(**flux().components)
    plain.set_progress_bar_config(disable=True)
    prior, image = diagonal_prior(len(PROMPTS), *PACKED), embeddings(len(PROMPTS), *LATENT, seed=7)
    mask = torch.zeros(len(PROMPTS), 1, 16, 16, dtype=torch.float64)
    mask[..., :8] = 1
    arguments = {
        **FLUX,
        "mask_image": mask,
        "masked_image_latents": mask.expand(-1, 3, -1, -1),
    }
    pipe = apply_prior(copy.copy(plain), lambda: prior)
    actual = states(pipe, pipe.scheduler, image=image, **arguments)
    arguments["image"] = unpacked(prior.to_white(packed(image)))
    expected = coloured_states(plain, plain.scheduler, prior, "data", -1.0, **arguments)
    assert_close(actual, expected, FLOAT32)


@pytest.mark.parametrize("name", NOISE_THEN_PACK)
def test_every_pipeline_that_noises_before_it_packs_starts_from_the_prior(name: str) -> None:
    patched = name.startswith("Flux2")  # its latents are patches already
    shape = (16, 4, 4) if patched else LATENT
    image = embeddings(2, *shape, seed=7)

    def prepare(scheduler: Any, image: Tensor, pipeline_class: Any) -> Any:
        pipe, config = pipeline_class.__new__(pipeline_class), FrozenDict()
        vae = SimpleNamespace(
            encode=lambda image: SimpleNamespace(latents=image),
            config=SimpleNamespace(batch_norm_eps=0.0, shift_factor=0.0, scaling_factor=1.0),
            bn=torch.nn.BatchNorm2d(16).double(),
            parameters=lambda: iter([image]),
            modules=lambda: iter(()),
            device=image.device,
            dtype=image.dtype,
        )
        vars(pipe).update(
            scheduler=scheduler, vae=vae, vae_scale_factor=8, latent_channels=4, _internal_dict=config
        )
        scheduler.set_timesteps(4)
        arguments = [image, scheduler.timesteps[1:2], 2, LATENT[0], 64, 64, torch.float64, "cpu"]
        result = pipe.prepare_latents(*arguments, torch.Generator().manual_seed(0))
        return result if isinstance(result, Tensor) else result[0]

    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    plain: Any = PIPELINES[name]
    start: Any = starting_from_prior(plain)
    prior = diagonal_prior(2, *PACKED)
    sibling = with_prior(scheduler, "data")
    sibling.set_prior(prior)
    pack = (lambda x: rearrange(x, "b c h w -> b (h w) c")) if patched else packed
    unpack = (lambda x: rearrange(x, "b (h w) c -> b c h w", h=4)) if patched else unpacked
    white = prepare(scheduler, unpack(prior.to_white(pack(image))), plain)
    coloured = prepare(sibling, image, type(name, (start, plain), {}))
    assert_close(coloured, prior.to_data(white), FLOAT32)


def test_a_prior_that_fits_neither_latents_nor_tokens_is_an_error() -> None:
    pipe = diffusers.FluxImg2ImgPipeline(**flux().components)
    apply_prior(pipe, lambda: diagonal_prior(1, 3, 3))
    with pytest.raises(ValueError, match=r"events of shape \(3, 3\), which does not fit data of shape"):
        pipe(image=embeddings(len(PROMPTS), *LATENT), **FLUX)


def test_a_generator_for_each_image_draws_the_state_of_its_own_prior() -> None:
    plain = ready(diffusers.DDPMPipeline(unconditional_unet(), diffusers.DDPMScheduler(clip_sample=False)))
    prior = diagonal_prior(2, 3, 8, 8)
    pipe = apply_prior(copy.copy(plain), lambda: prior)

    def seen(pipe: Any) -> Tensor:
        first: list[Tensor] = []
        hook = pipe.unet.register_forward_pre_hook(lambda module, inputs: first.append(inputs[0]))
        generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
        pipe(batch_size=2, generator=generators, num_inference_steps=1)
        hook.remove()
        return first[0]

    assert_close(seen(pipe), prior.to_data(seen(plain)))


class OwnPipeline(diffusers.DDPMPipeline):
    """As the tutorials write one."""

    @torch.no_grad()
    def __call__(self, noise: Tensor | None = None, num_inference_steps: int = 2) -> Tensor:
        state = torch.randn(1, 3, 8, 8, dtype=torch.float64) if noise is None else noise
        self.scheduler.set_timesteps(num_inference_steps)
        for t in self.scheduler.timesteps:
            state = self.scheduler.step(self.unet(state, t).sample, t, state).prev_sample
        return state


def test_your_own_pipeline_starts_from_the_prior_or_says_why_not() -> None:
    pipe = ready(OwnPipeline(unconditional_unet(), diffusers.DDPMScheduler(clip_sample=False)))
    apply_prior(pipe, lambda: DiagonalPrior(100.0, 1.0))
    assert pipe().mean() > 10
    with pytest.raises(ValueError, match=r"drew no first state .* by scheduler\.init_noise_sigma"):
        pipe(noise=torch.zeros(1, 3, 8, 8, dtype=torch.float64))


def test_a_class_without_source_is_an_error_that_says_what_to_do() -> None:
    namespace: dict[str, Any] = {"DDPMPipeline": diffusers.DDPMPipeline}
    exec("class Typed(DDPMPipeline): pass", namespace)
    pipe = namespace["Typed"](unconditional_unet(), diffusers.DDPMScheduler())
    with pytest.raises(ValueError, match=r"source of Typed can't be read, .* define the class in a file"):
        apply_prior(pipe, lambda: DiagonalPrior(0.0, 1.0))
