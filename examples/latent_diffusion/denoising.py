"""How samples come about: what a model's states and predictions are after each of its evaluations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from latent_diffusion.autoencoding import in_8_bits
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.sampling import first_states, prior_of, sample
from priordiff import ImagePipeline

__all__ = ["EVALUATIONS", "Denoising"]

EVALUATIONS = 10


@dataclass(frozen=True)
class Denoising:
    """Samples on their way from the prior, as 8-bit images (N, evaluations + 1, 3, height, width).

    Attributes:
        states: a sample of the prior, and what each step makes of it.
        predictions: the mean of the prior, and the image that each evaluation predicts.
    """

    states: Tensor
    predictions: Tensor

    @classmethod
    def of(cls, pipeline: ImagePipeline, held_out: EncodedImages, numbers: Tensor) -> Denoising:
        """Of samples as `sample` makes them, in `EVALUATIONS` or as many as there are noise levels for.

        Args:
            pipeline: of the model.
            held_out: images for whose conditioning they are.
            numbers: of the samples.
        """
        most = int(pipeline.scheduler.config["num_train_timesteps"]) - 1
        prior, steps = prior_of(pipeline, held_out, numbers), _Steps()
        start = first_states(prior, held_out, numbers)
        sample(
            pipeline,
            held_out,
            numbers,
            batch_size=len(numbers),
            num_inference_steps=max(1, min(EVALUATIONS, most)),
            callback_on_step_end=steps,
            callback_on_step_end_tensor_inputs=["latents", "pred_original_sample"],
        )

        def decoded(states: list[Tensor]) -> Tensor:
            decode = pipeline.latent_space.decode
            return torch.stack([in_8_bits(decode(state)).cpu() for state in states], dim=1)

        mean = prior.mean.expand_as(start).contiguous()
        return cls(decoded([start, *steps.states]), decoded([mean, *steps.predictions]))


@dataclass
class _Steps:
    """Keeps what a pipeline shows at the end of each step."""

    states: list[Tensor] = field(default_factory=list)
    predictions: list[Tensor] = field(default_factory=list)

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> None:
        self.states.append(tensors["latents"])
        self.predictions.append(tensors["pred_original_sample"])
