"""Mel frames of encoded text, by diffusion from their prior."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from priordiff.estimators import PriorEstimator
from priordiff.models import EncodedText, MelDiffWave

__all__ = ["sample_mel"]


def sample_mel(
    encoded: EncodedText,
    decoder: MelDiffWave,
    scheduler: Any,
    estimator: PriorEstimator | None,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
) -> Tensor:
    r"""Samples mel frames.

    With a temperature $\tau$ every draw of the prior's noise is $\tau L n$ in place of $L n$: that of the
    first state, and those of the steps of a stochastic solver that takes its noise from outside
    (`variance_noise`).

    Args:
        encoded: text.
        decoder: the denoiser.
        scheduler: whose timesteps are set.
        estimator: encoded text to prior; None for N(0, I).
        generator: source of noise.
        temperature: of the noise.

    Returns:
        (batch, n_mels, frames), zero in the padding.
    """
    condition, mask = encoded.condition, encoded.mask
    dtype = torch.promote_types(condition.dtype, torch.float32)
    shape = (len(condition), decoder.config.n_mels, condition.shape[-1])

    def draw() -> Tensor:
        return temperature * randn_tensor(shape, generator=generator, device=condition.device, dtype=dtype)

    accepted = inspect.signature(scheduler.step).parameters
    told: dict[str, Tensor] = {}
    try:
        if estimator is not None:
            prior = estimator(encoded).to(dtype)
            scheduler.set_prior(prior)
            if decoder.config.prior_condition != "none":
                moments = {"prior_mean": prior.mean, "prior_std": prior.std}
                told = {
                    name: torch.as_tensor(moment).expand(shape).to(condition.dtype)
                    for name, moment in moments.items()
                }
        x = draw() * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            options: dict[str, Any] = {"generator": generator} if "generator" in accepted else {}
            if temperature != 1 and "variance_noise" in accepted:
                options["variance_noise"] = draw()
            model_input = scheduler.scale_model_input(x, t).to(condition.dtype)
            output = decoder(model_input, t, condition, mask=mask, **told).to(dtype)
            x = scheduler.step(output, t, x, **options).prev_sample
    finally:
        scheduler.set_prior(None)
    return x * mask[:, None]
