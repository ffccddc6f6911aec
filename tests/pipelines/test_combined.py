"""Pipelines that are made of pipelines, or have several schedulers."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch

from priordiff import DiagonalPrior, GaussianPrior, apply_prior
from tests.pipelines.pipelines_of_diffusers import PIPELINES
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    WIDTH,
    conditional_unet,
    dense_prior,
    diagonal_prior,
    embeddings,
    ready,
)
from tests.pipelines.white_space import assert_close, coloured_states

ARGUMENTS: dict[str, Any] = {"num_inference_steps": 3, "height": 16, "width": 16, "output_type": "latent"}
EMBEDDINGS = {"image_embeds": embeddings(2, WIDTH), "negative_image_embeds": embeddings(2, WIDTH, seed=1)}
OF_PARTS = {
    name
    for name, each in PIPELINES.items()
    if re.search(r"self\.\w+_pipe = ", inspect.getsource(each.__init__))
}


def kandinsky() -> Any:
    """The pipeline of two pipelines, of which the first, which makes embeddings, has no networks."""
    unet = conditional_unet(
        out_channels=2 * LATENT[0],
        addition_embed_type="image",
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
    )
    movq = diffusers.VQModel(
        latent_channels=LATENT[0],
        block_out_channels=(4, 4),
        norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    names = ["prior", "image_encoder", "text_encoder", "tokenizer", "image_processor"]
    pipe = diffusers.KandinskyV22CombinedPipeline(
        unet=unet,
        movq=movq,
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
        prior_scheduler=diffusers.UnCLIPScheduler(),
        **{f"prior_{name}": None for name in names},
    )
    return ready(pipe)


def with_embeddings(pipe: Any) -> Any:
    pipe.prior_pipe = lambda **arguments: tuple(EMBEDDINGS.values())
    return pipe


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_the_part_with_the_loop_samples_under_the_prior(make_prior: Any) -> None:
    torch.manual_seed(0)
    pipe = kandinsky()
    plain = diffusers.KandinskyV22Pipeline(pipe.unet, pipe.scheduler, pipe.movq)
    prior = make_prior(len(PROMPTS), *LATENT)
    expected = coloured_states(plain, plain.scheduler, prior, "data", **EMBEDDINGS, **ARGUMENTS)[-1]

    def estimator(prompt: list[str]) -> GaussianPrior:
        assert prompt == PROMPTS
        return prior

    apply_prior(pipe, estimator)
    assert pipe.decoder_pipe.scheduler is pipe.scheduler
    generator = torch.Generator().manual_seed(5)
    images = with_embeddings(pipe)(PROMPTS, generator=generator, **ARGUMENTS).images
    assert_close(images, expected)


def test_made_again_of_its_components_the_part_says_that_the_prior_is_missing() -> None:
    pipe = apply_prior(kandinsky(), lambda prompt: DiagonalPrior(0.0, 0.5))
    other = with_embeddings(diffusers.KandinskyV22CombinedPipeline(**pipe.components))
    with pytest.raises(ValueError, match=r"made for a prior from apply_prior\(pipe, <lambda>\)"):
        other(PROMPTS, **ARGUMENTS)


def test_an_error_names_the_parts_where_none_or_several_have_the_scheduler() -> None:
    pipe = kandinsky()
    pipe.scheduler = diffusers.DDIMScheduler()
    with pytest.raises(
        ValueError, match=r"of which 0 have its own scheduler: .* pipe\.prior_pipe or pipe\.decoder"
    ):
        apply_prior(pipe, lambda prompt: DiagonalPrior(0.0, 0.5))
    apply_prior(pipe.decoder_pipe, lambda image_embeds: DiagonalPrior(0.0, 0.5))
    assert type(pipe.decoder_pipe.scheduler).__name__ == "PriorGradDDIMScheduler"


def test_every_pipeline_of_two_parts_gives_its_decoder_the_prior() -> None:
    class Decoder:
        config = SimpleNamespace(block_out_channels=[1, 1], latent_channels=4, scaling_factor=1.0)

    for name in OF_PARTS - {"VisualClozePipeline"}:
        parameters = list(inspect.signature(PIPELINES[name].__init__).parameters)[1:]
        schedulers = {each: diffusers.DDIMScheduler() for each in parameters if each.endswith("scheduler")}
        decoders = {each: Decoder() for each in parameters if each in ("movq", "vqgan")}
        pipe: Any = PIPELINES[name](**{**dict.fromkeys(parameters), **schedulers, **decoders})
        apply_prior(pipe, lambda prompt: DiagonalPrior(0.0, 0.5))
        assert pipe.decoder_pipe.scheduler is pipe.scheduler
        assert pipe.prior_pipe.scheduler is not pipe.scheduler


def test_parts_that_share_a_scheduler_are_named() -> None:
    pipe = diffusers.VisualClozePipeline(diffusers.FlowMatchEulerDiscreteScheduler(), *[None] * 6)
    with pytest.raises(
        ValueError, match=r"of which 2 have .* pipe\.generation_pipe or pipe\.upsampling_pipe"
    ):
        apply_prior(pipe, lambda task_prompt: DiagonalPrior(0.0, 0.5))


def test_schedulers_of_other_names_are_named() -> None:
    class TwoSchedulers(diffusers.DiffusionPipeline):
        def __init__(self, decoder_scheduler: Any, super_res_scheduler: Any) -> None:
            super().__init__()
            self.register_modules(
                decoder_scheduler=decoder_scheduler, super_res_scheduler=super_res_scheduler
            )

    pipe = TwoSchedulers(diffusers.DDIMScheduler(), diffusers.DDIMScheduler())
    with pytest.raises(ValueError, match=r"has no scheduler .* decoder_scheduler, super_res_scheduler: give"):
        apply_prior(pipe, lambda prompt: DiagonalPrior(0.0, 0.5))


def test_what_can_not_be_called_is_an_error() -> None:
    class Uncallable(diffusers.DiffusionPipeline):
        def __init__(self, scheduler: Any) -> None:
            super().__init__()
            self.register_modules(scheduler=scheduler)

    with pytest.raises(ValueError, match="Uncallable can't be called"):
        apply_prior(Uncallable(diffusers.DDIMScheduler()), lambda prompt: DiagonalPrior(0.0, 0.5))
