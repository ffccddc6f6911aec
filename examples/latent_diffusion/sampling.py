"""Samples of a model, and its prior, for the conditioning of held-out images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import PartialState
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from latent_diffusion.encoding import EncodedImages
from priordiff import DiagonalPrior, GaussianPrior, ImagePipeline

__all__ = ["Sampled", "estimator_of", "first_states", "in_turns", "prior_of", "sample"]


@dataclass(frozen=True)
class Sampled:
    """What a model has sampled: images in [−1, 1], and the seconds that one took."""

    images: Tensor
    seconds: float


def in_turns(held_out: EncodedImages, numbers: Tensor) -> EncodedImages:
    """The held-out images that samples of given numbers are for: after the last one, the first one again."""
    return held_out.select(numbers % len(held_out))


def sample(
    pipeline: ImagePipeline, held_out: EncodedImages, numbers: Tensor, batch_size: int, **options: Any
) -> Sampled:
    """Samples for the conditioning of held-out images in turns, each with the seed of its number.

    Args:
        pipeline: of the model.
        held_out: the images.
        numbers: which samples.
        batch_size: samples at once.
        **options: of the pipeline's call.
    """
    batches, started = [], time.perf_counter()
    for some in numbers.split(batch_size):
        given = in_turns(held_out, some).conditioning
        output: Any = pipeline(
            given.labels,
            given.image,
            given.text,
            num_images=len(some),
            generator=_generators(some),
            output_type="pt",
            **options,
        )
        batches.append(output.images.cpu() * 2 - 1)
    return Sampled(torch.cat(batches), (time.perf_counter() - started) / len(numbers))


def estimator_of(pipeline: ImagePipeline) -> Any:
    """That of a pipeline, or one that says N(0, I) to everything."""
    if pipeline.estimator is not None:
        return pipeline.estimator
    return lambda *conditioning: DiagonalPrior(torch.zeros((), device=PartialState().device), 1.0)


@torch.no_grad()
def prior_of(pipeline: ImagePipeline, held_out: EncodedImages, numbers: Tensor) -> GaussianPrior:
    """From which samples of given numbers start."""
    conditioning = in_turns(held_out, numbers).conditioning.to(PartialState().device)
    prior: GaussianPrior = estimator_of(pipeline)(*conditioning.arguments)
    return prior


@torch.no_grad()
def first_states(prior: GaussianPrior, held_out: EncodedImages, numbers: Tensor) -> Tensor:
    """Samples of the prior alone, from the white noise from which the model samples under these numbers."""
    shape = (len(numbers), *held_out.sample_shape)
    return prior.to_data(randn_tensor(shape, _generators(numbers), PartialState().device))


def _generators(numbers: Tensor) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers.tolist()]
