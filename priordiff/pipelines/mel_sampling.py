"""Mel frames of encoded text, by diffusion from their prior."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from priordiff.audio.mel import log_mel_range
from priordiff.estimators import PriorEstimator
from priordiff.models import EncodedText, MelConvNeXt, MelDiffWave
from priordiff.models.frames import log_mel_of_standardized
from priordiff.priors import DiagonalPrior

__all__ = ["mel_of_sentence", "sample_mel", "told_of_prior"]


def mel_of_sentence(
    pipeline: Any,
    symbols: Tensor,
    generator: torch.Generator | None,
    speaker: int,
    speed: float = 1.0,
    pitch_shift: float = 0.0,
    temperature: float = 1.0,
    num_inference_steps: int | None = None,
    solver: str | None = None,
) -> tuple[Tensor, list[int]]:
    """The log-mel frames (n_mels, frames) of a sentence, and how many of them each of its phonemes lasts.

    Args:
        pipeline: a `TextToSpeechPipeline`, whose encoder, decoder, scheduler and estimator they are made by.
        symbols: indices of phonemes (L,).
        generator: source of noise.
        speaker: index.
        speed: as in a call of the pipeline, and so are the others.
        pitch_shift: in semitones, −48 to 48.
        temperature: of the noise, 0 to 10.
        num_inference_steps: None for those of the pipeline; without a scheduler there are none.
        solver: None for that of the pipeline.

    Raises:
        ValueError: if one of them does not fit the pipeline.
    """
    if not 0 <= temperature <= 10:
        raise ValueError(f"temperature={temperature}, expected 0 to 10")
    if not -48 <= pitch_shift <= 48:
        raise ValueError(f"pitch_shift={pitch_shift}, expected -48 to 48 semitones")
    encoder, config = pipeline.encoder, pipeline.config
    encoded = encoder(
        symbols[None].to(encoder.device),
        torch.tensor([speaker], device=encoder.device) if encoder.config.num_speakers > 1 else None,
        speed=speed,
        pitch_shift=pitch_shift * math.log(2) / 12 / config.pitch_std[speaker],
    )
    if pipeline.scheduler is None and solver is None:
        frames = pipeline.decoder(encoded.condition, encoded.mask)
    else:
        scheduler, steps = pipeline.scheduler_of_call(num_inference_steps, solver)
        scheduler.set_timesteps(**steps, device=encoder.device)
        frames = sample_mel(encoded, pipeline.decoder, scheduler, pipeline.estimator, generator, temperature)
    mel = log_mel_of_standardized(frames.float())[0].clamp(*log_mel_range(config.mel))
    return mel, encoded.durations[0].tolist()


def sample_mel(
    encoded: EncodedText,
    decoder: MelDiffWave | MelConvNeXt,
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
    prior = None if estimator is None else estimator(encoded).to(dtype)
    told = told_of_prior(decoder, prior, shape, condition.dtype)
    try:
        scheduler.set_prior(prior)
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


def told_of_prior(
    decoder: MelDiffWave | MelConvNeXt,
    prior: DiagonalPrior | None,
    shape: Sequence[int],
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """What a denoiser takes of the prior, as arguments of its `forward`: nothing, or both moments.

    Args:
        decoder: the denoiser.
        prior: of the frames; None for N(0, I).
        shape: of the frames, (batch, n_mels, frames).
        dtype: of the denoiser.
    """
    if prior is None or decoder.config.prior_condition == "none":
        return {}
    moments = {"prior_mean": prior.mean, "prior_std": prior.std}
    return {name: torch.as_tensor(moment).expand(shape).to(dtype) for name, moment in moments.items()}
