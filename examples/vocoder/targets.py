"""Held-out recordings, and what a vocoder makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, PriorEstimator, VocoderPipeline
from vocoder.configuration import VocoderConfig
from vocoder.data import Recordings

__all__ = ["evaluation_targets", "prior_noise", "prior_of", "synthesize", "whole_texts"]


def evaluation_targets(config: VocoderConfig, validation: Recordings) -> list[Tensor]:
    """The first held-out recordings, cut to whole frames and to the configured length."""
    hop_length = config.mel.hop_length
    longest = int(config.evaluation.max_seconds * config.mel.sample_rate)
    chosen = validation.recordings[: config.evaluation.final_utterances]
    return [
        validation.crop(index, 0, min(longest, recording.num_samples) // hop_length * hop_length)
        for index, recording in enumerate(chosen)
    ]


def whole_texts(config: VocoderConfig, validation: Recordings) -> list[str]:
    """What is said in each of `evaluation_targets`; empty where it is unknown, or the recording was cut."""
    longest = config.evaluation.max_seconds * config.mel.sample_rate
    chosen = validation.recordings[: config.evaluation.final_utterances]
    return [recording.text or "" if recording.num_samples <= longest else "" for recording in chosen]


def synthesize(
    pipeline: VocoderPipeline,
    target: Tensor,
    seed: int,
    num_inference_steps: int | None = None,
    solver: str | None = None,
    num_consistency_steps: int | None = None,
) -> Tensor:
    """A waveform (N,) from the log-mel of `target` (N,), with the noise of `seed`."""
    (audios,) = pipeline(
        waveform=target[None],
        num_inference_steps=num_inference_steps,
        solver=solver,
        num_consistency_steps=num_consistency_steps,
        generator=torch.Generator().manual_seed(seed),
        return_dict=False,
    )
    return audios[0].cpu()


def prior_of(estimator: PriorEstimator | None, log_mel: Tensor) -> GaussianPrior:
    """The prior of log-mel frames, where no estimator stands for N(0, I)."""
    return DiagonalPrior(0.0, 1.0) if estimator is None else estimator(log_mel.to(estimator.device))


@torch.no_grad()
def prior_noise(pipeline: VocoderPipeline, log_mel: Tensor, seed: int) -> Tensor:
    """The noise (N,) of the prior of log-mel frames (1, n_mels, frames), from which `seed` starts."""
    shape = (1, 1, log_mel.shape[-1] * pipeline.model.config.hop_length)
    prior = prior_of(pipeline.estimator, log_mel)
    noise = prior.sample(shape, generator=torch.Generator().manual_seed(seed))
    return noise[0, 0].clamp(-1, 1).cpu()
