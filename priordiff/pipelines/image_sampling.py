"""Images or latents of what they are conditioned on, by diffusion from their prior."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from priordiff.fine_tuning import PriorAdapterMixin
from priordiff.pipelines.image_conditioning import Conditioning, denoise, prior_of
from priordiff.pipelines.step_callback import StepCallback
from priordiff.schedulers import predicted_original_sample

__all__ = ["STEP_TENSORS", "sample_images"]

# What a callback may be given.
STEP_TENSORS = ("latents", "pred_original_sample")


def sample_images(
    pipeline: Any,
    scheduler: Any,
    conditioning: Conditioning,
    batch: int,
    guidance_scale: float,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
    callback: StepCallback | None = None,
) -> Tensor:
    """Samples in the space of the diffusion.

    Args:
        pipeline: an `ImagePipeline`, whose network and estimator they are made by.
        scheduler: whose timesteps are set.
        conditioning: of the batch, on the network's device.
        batch: how many.
        guidance_scale: 1 for none.
        generator: source of noise; a list has one for each.
        callback: called after every step.

    Returns:
        (batch, channels, height, width).

    Raises:
        ValueError: if there is NaN or infinity in them.
    """
    unet, device = pipeline.unet, pipeline._execution_device
    # Half precision is enough for networks, not for the sum of many small steps.
    dtype = torch.promote_types(unet.dtype, torch.float32)
    options = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    if isinstance(unet, PriorAdapterMixin):
        unet.follow(scheduler)
    everywhere = torch.ones(batch, dtype=torch.bool, device=device)
    dropped = conditioning.without(everywhere, null_label=len(pipeline.config.classes or ()))
    try:
        scheduler.set_prior(prior_of(pipeline.estimator, conditioning, dtype))
        shape = (batch, *pipeline.sample_shape)
        x = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        x = x * scheduler.init_noise_sigma
        for step, t in enumerate(pipeline.progress_bar(scheduler.timesteps)):
            model_input = scheduler.scale_model_input(x, t).to(unet.dtype)
            output = denoise(unet, model_input, t, conditioning).to(dtype)
            if guidance_scale != 1:
                without = denoise(unet, model_input, t, dropped).to(dtype)
                output = without + guidance_scale * (output - without)
            tensors = {}
            if callback is not None and "pred_original_sample" in callback.names:
                # Before the step, which moves the solver on to the next noise level.
                tensors["pred_original_sample"] = predicted_original_sample(scheduler, output, t, x)
            x = scheduler.step(output, t, x, **options).prev_sample
            if callback is not None:
                x = callback(pipeline, step, t, {**tensors, "latents": x})
    finally:
        scheduler.set_prior(None)
    _check_finite(x, scheduler, unet, guidance_scale)
    return x


def _check_finite(samples: Tensor, scheduler: Any, unet: Any, guidance_scale: float) -> None:
    # Once, after the last step: NaN never goes away again, and asking a GPU for it at each step costs time.
    broken = int((~torch.isfinite(samples).flatten(1).all(1)).sum())
    if broken:
        steps, solver = len(scheduler.timesteps), type(scheduler).__name__
        raise ValueError(
            f"{broken} of {len(samples)} samples hold NaN or infinity after {steps} steps of {solver} with "
            f"guidance_scale={guidance_scale:g}, by a network in {unet.dtype}: check its weights, or take "
            "more steps, another solver, less guidance or a higher precision"
        )
