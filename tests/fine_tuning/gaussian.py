"""Gaussian data, a network that knows it perfectly under N(0, I), and what is best under a prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, DDPMScheduler, FlowMatchEulerDiscreteScheduler, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, adapt_to_prior, with_prior
from priordiff.schedulers import prediction_weights, signal_and_noise_scale
from tests.priors.cases import EVENT, covariance, dense, random

SIZE = EVENT[0] * EVENT[1]
MEAN, COVARIANCE = random(SIZE, seed=5), covariance(SIZE, SIZE, seed=6)
ANGLES = DDPMScheduler().alphas_cumprod.double().sqrt().arccos().numpy()
PLACES = [200, 350, 500, 800]  # of training timesteps, whatever a scheduler calls them
MODEL_SPACES = ["centered", "data", "white"]
PREDICTIONS = ["epsilon", "sample", "v_prediction", "flow_prediction"]


def trained_with(prediction: str) -> Any:
    """The scheduler of the network's training."""
    if prediction == "flow_prediction":
        return FlowMatchEulerDiscreteScheduler()
    return DDPMScheduler(prediction_type=prediction, clip_sample=False)


class GaussianDenoiser(ModelMixin, ConfigMixin):
    """The best prediction for the data under N(0, I), at whole training steps and between them."""

    @register_to_config
    def __init__(self, prediction: str) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, sample: Tensor, timestep: Tensor, return_dict: bool = True) -> Any:
        prediction = self.config["prediction"]
        signal, noise = self.levels(timestep.expand(len(sample)))
        mean, eye = MEAN, torch.eye(SIZE).double()
        r = sample.flatten(1) - signal * mean
        total = signal[..., None] ** 2 * COVARIANCE + noise[..., None] ** 2 * eye
        explained = torch.linalg.solve(total, r[..., None])[..., 0]
        x0, n = mean + signal * explained @ COVARIANCE, noise * explained
        predicted = {
            "epsilon": n,
            "sample": x0,
            "v_prediction": signal * n - noise * x0,
            "flow_prediction": n - x0,
        }[prediction].reshape(sample.shape)
        return (self.scale * predicted,)

    def levels(self, timestep: Tensor) -> tuple[Tensor, Tensor]:
        if self.config["prediction"] == "flow_prediction":
            share = timestep.double()[:, None] / 1000
            return 1 - share, share
        angles = np.interp(timestep.numpy(), np.arange(1000), ANGLES)
        angle = torch.from_numpy(angles)[:, None]
        return angle.cos(), angle.sin()


def best_prediction(scheduler: Any, prior: GaussianPrior, seen: Tensor, timestep: Tensor) -> Tensor:
    """E[training target | x_t] under a prior of one item for all, in the scheduler's space."""
    root = dense(prior, 1).root[0]
    own_mean = prior.mean.double().expand(1, *EVENT).reshape(SIZE)
    like = seen.new_zeros(1, 1)
    signal, noise = signal_and_noise_scale(scheduler, timestep, like)
    data_weight, noise_weight = prediction_weights(scheduler, timestep, like)
    exploding = hasattr(scheduler, "is_scale_input_called")  # which sees x_t / √(1 + σ²)
    flat = seen.flatten(1) - (own_mean if scheduler.model_space == "data" else 0.0)
    flat = flat * torch.hypot(signal, noise) if exploding else flat
    if scheduler.model_space == "white":
        flat = flat @ root.mT
    r = flat - signal * (MEAN - own_mean)
    total = signal[..., None] ** 2 * COVARIANCE + noise[..., None] ** 2 * root @ root.mT
    explained = torch.linalg.solve(total, r[..., None])[..., 0]
    x0 = MEAN + signal * explained @ COVARIANCE
    noises = noise * explained @ root @ root.mT
    shift = 0.0 if scheduler.model_space == "data" else own_mean
    target = data_weight * (x0 - shift) + noise_weight * noises
    if scheduler.model_space == "white":
        target = torch.linalg.solve(root, target.mT).mT
    return target.reshape(seen.shape)


def isotropic(std: float) -> DiagonalPrior:
    """With a mean that differs everywhere."""
    return DiagonalPrior(random(1, *EVENT, seed=1), torch.tensor(std).double())


def under(prior: GaussianPrior | None, scheduler: Any, model_space: str = "centered") -> Any:
    scheduler = with_prior(scheduler, model_space)
    scheduler.set_prior(prior)
    return scheduler


def adapted(prediction: str, scheduler: Any) -> Any:
    """A perfect network of a prediction type, called as a scheduler's."""
    network = GaussianDenoiser(prediction).requires_grad_(False)
    return adapt_to_prior(network, trained_with(prediction), scheduler)


def states(scheduler: Any, timesteps: Tensor) -> Tensor:
    """What a network sees of some states."""
    x0, noise = (random(len(timesteps), *EVENT, seed=seed) for seed in (7, 8))
    return scheduler.scale_model_input(forward_process(scheduler, x0, noise, timesteps), timesteps)


def forward_process(scheduler: Any, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    if hasattr(scheduler.plain_class, "scale_noise"):
        return scheduler.scale_noise(x0, t, noise)
    return scheduler.add_noise(x0, noise, t)


def timesteps_of(scheduler: Any, t: Tensor) -> Tensor:
    """At which a network is called."""
    network, seen = adapted("epsilon", scheduler), []
    levels = network.levels
    network.levels = lambda timestep: (seen.append(timestep), levels(timestep))[1]
    network(states(scheduler, t), t)
    return seen[0]
