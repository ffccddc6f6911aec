"""The diffusion that a network was trained with: its noise levels, and what the network predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from priordiff.schedulers.predictions import prediction_type_of

__all__ = ["Level", "TrainedProcess"]

_BETAS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "rescale_betas_zero_snr")
_PREDICTIONS = {
    "epsilon": (0.0, 1.0),
    "sample": (1.0, 0.0),
    "flow_prediction": (-1.0, 1.0),
    "flow towards the data": (1.0, -1.0),
}


class Level(NamedTuple):
    r"""Where in its training a network knew a ratio of signal and noise; one number for each item.

    Attributes:
        timestep: fractional; beyond the ends of the training by less than a step.
        signal: $\alpha$, of $\alpha x_0 + \varsigma n$.
        noise: $\varsigma$.
        too_noisy: whether the ratio is noisier than all of the training, whose last level this is.
        too_clean: whether it is cleaner than all of it, whose first level this is.
    """

    timestep: Tensor
    signal: Tensor
    noise: Tensor
    too_noisy: Tensor
    too_clean: Tensor


class TrainedProcess:
    r"""The isotropic diffusion $\alpha_t x_0 + \varsigma_t n$, $n \sim N(0, I)$, of a trained network.

    Args:
        scheduler: of the training, or any with its noise levels: one with betas, or of flow matching.

    Raises:
        ValueError: if it has neither, or its prediction type is unknown.

    Example:
        >>> from diffusers import DDPMScheduler
        >>> process = TrainedProcess(DDPMScheduler())
        >>> between = process.at(torch.tensor([0.5]), torch.tensor([0.5])).timestep
        >>> 200 < float(between) < 300
        True
    """

    def __init__(self, scheduler: Any) -> None:
        self.prediction_type = prediction_type_of(scheduler)
        if self.prediction_type not in (*_PREDICTIONS, "v_prediction"):
            raise ValueError(
                f"the network predicts {self.prediction_type!r}, expected one of "
                f"{', '.join(map(repr, _PREDICTIONS))} or 'v_prediction'"
            )
        self.num_train_timesteps = scheduler.config.get("num_train_timesteps")
        is_flow = hasattr(scheduler, "scale_noise") or scheduler.config.get("use_flow_sigmas")
        levels = None if is_flow else getattr(scheduler, "alphas_cumprod", None)
        if self.num_train_timesteps is None or (levels is None and not is_flow):
            raise ValueError(
                f"{type(scheduler).__name__} has no noise levels of training steps: give the scheduler that "
                "the network was trained with, one with betas or of flow matching"
            )
        self._levels = None if levels is None else levels.detach().cpu()
        self._betas = None if is_flow else {name: scheduler.config.get(name) for name in _BETAS}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrainedProcess:
        """The process that `config` of another one describes."""
        process = cls.__new__(cls)
        process.prediction_type = config["prediction_type"]
        process.num_train_timesteps = config["num_train_timesteps"]
        betas = {name: config[name] for name in (*_BETAS, "trained_betas") if name in config}
        process._betas = betas if len(betas) > 1 else None
        process._levels = None if process._betas is None else DDPMScheduler(**betas).alphas_cumprod
        return process

    @property
    def config(self) -> dict[str, Any]:
        """What a file has to hold of it."""
        kept: dict[str, Any] = {"prediction_type": self.prediction_type}
        if self._levels is None:
            return {**kept, "num_train_timesteps": self.num_train_timesteps}
        betas = {name: value for name, value in (self._betas or {}).items() if value is not None}
        if not torch.equal(DDPMScheduler(**betas).alphas_cumprod, self._levels):
            # Levels that no rule of DDPM makes: own betas, or a shifted signal-to-noise ratio.
            levels = self._levels.double()
            trained = 1 - levels / torch.cat([torch.ones(1).double(), levels[:-1]])
            betas = {"num_train_timesteps": len(levels), "trained_betas": trained.tolist()}
        return {**kept, **betas}

    def at(self, signal: Tensor, noise: Tensor) -> Level:
        r"""The level of training at which signal and noise had a given ratio.

        Between the training steps of a schedule of betas the step is interpolated in the angle
        $\arctan(\varsigma / \alpha)$, which is finite where nothing is left of the signal. Beyond the ends it
        goes on to -1 without any noise, and to T without any signal, so that a network can tell levels apart
        there. Of a flow it is $T\,\varsigma$ with $\alpha + \varsigma = 1$, exactly.

        Args:
            signal: one number for each item; only its ratio to the noise matters.
            noise: likewise.
        """
        if self._levels is None:
            total = signal + noise
            within = torch.zeros_like(signal, dtype=torch.bool)
            share = noise / total
            return Level(share * self.num_train_timesteps, signal / total, share, within, within)
        levels = self._levels.to(signal)
        signals, noises = levels**0.5, (1 - levels) ** 0.5
        angles, angle = torch.atan2(noises, signals), torch.atan2(noise, signal)
        before = torch.searchsorted(angles, angle.detach().contiguous(), right=True) - 1
        before = before.clamp(0, len(angles) - 2)
        step = ((angle - angles[before]) / (angles[before + 1] - angles[before])).clamp(0, 1)
        # Of a variance-preserving process this is 1, but for the rounding of its table.
        total = torch.lerp(
            torch.hypot(signals, noises)[before], torch.hypot(signals, noises)[before + 1], step
        ) / torch.hypot(signal, noise)
        too_noisy, too_clean = angle > angles[-1], angle < angles[0]
        end = torch.where(too_noisy, len(angles) - 1, 0)
        outside = too_noisy | too_clean
        beyond = (angle - angles[-1]) / (torch.pi / 2 - angles[-1]).clamp(min=torch.finfo(angle.dtype).tiny)
        timestep = torch.where(too_noisy, len(angles) - 1 + beyond, before + step)
        return Level(
            torch.where(too_clean, angle / angles[0] - 1, timestep),
            torch.where(outside, signals[end], total * signal),
            torch.where(outside, noises[end], total * noise),
            too_noisy,
            too_clean,
        )

    def weights(self, signal: Tensor, noise: Tensor) -> tuple[float | Tensor, float | Tensor]:
        """Weights of data and noise in what the network predicts at a level of the training."""
        if self.prediction_type != "v_prediction":
            return _PREDICTIONS[self.prediction_type]
        total = torch.hypot(signal, noise)
        return -noise / total, signal / total
