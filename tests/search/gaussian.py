"""Gaussian data with its exact network, of which every scheduler's samples can be judged."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from priordiff import DiagonalPrior
from priordiff.schedulers import prediction_weights, signal_and_noise_scale

SIZE = 8
STDS = torch.logspace(-1.3, 0.3, SIZE, dtype=torch.float64)
MEAN = torch.linspace(-1, 1, SIZE, dtype=torch.float64)
PRIOR = DiagonalPrior(mean=0.3 * MEAN[None], std=(0.5 * STDS.sqrt())[None])


def exact_prediction(scheduler: Any, x: Tensor, t: Any, prior: DiagonalPrior | None) -> Tensor:
    """What the best network predicts, in centred space, for data N(MEAN, STDS²)."""
    mean, std = (0.0, 1.0) if prior is None else (prior.mean, prior.std)
    place = torch.as_tensor(t).reshape(1)
    a, s = signal_and_noise_scale(scheduler, place, x[:1])
    data_weight, noise_weight = prediction_weights(scheduler, place, x[:1])
    centred, shift = x - mean, MEAN - mean
    total = a**2 * STDS**2 + (s * std) ** 2
    x0 = shift + a * STDS**2 / total * (centred - a * shift)
    return data_weight * x0 + noise_weight * (centred - a * x0) / s


def sample(scheduler: Any, steps: int, prior: DiagonalPrior | None = PRIOR, items: int = 500) -> Tensor:
    """Samples from the same noise for every scheduler."""
    generator = torch.Generator().manual_seed(0)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(steps)
    accepts = "generator" in inspect.signature(scheduler.step).parameters
    options: dict[str, Any] = {"generator": generator} if accepts else {}
    noise = torch.randn(items // 2, SIZE, generator=generator, dtype=torch.float64)
    x = torch.cat([noise, -noise]) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        output = exact_prediction(scheduler, x, t, prior)
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


def error_of(prior: DiagonalPrior | None = PRIOR) -> Callable[[Any, int], float]:
    """How far the samples' deviations are from the data's, in the logarithm."""

    def quality(scheduler: Any, steps: int) -> float:
        samples = sample(scheduler, steps, prior)
        return float((samples.std(0) / STDS).log().abs().mean() + (samples.mean(0) - MEAN).abs().mean())

    return quality
