"""The data that a network's output stands for, at a step of any solver."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from priordiff.schedulers.step_scales import StepScales, scales_of_step

__all__ = ["predicted_original_sample"]


def predicted_original_sample(
    scheduler: Any, model_output: Tensor, timestep: int | float | Tensor, sample: Tensor
) -> Tensor:
    r"""The $x_0$ that a network has predicted for the step that a solver is about to take, in data space.

    With $z_t = a_t z_0 + s_t n$ and a prediction $p = d\,z_0 + e\,n$, whatever it is of (see
    [`prediction_weights`][priordiff.schedulers.prediction_weights]), $z_0 = (e\,z_t - s_t\,p) / (a_t e -
    s_t d)$, and $x_0 = \mu + L z_0$. It is what the outputs of some solvers have as `pred_original_sample`,
    before any clipping.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior; after `set_timesteps`.
        model_output: the network's output, in the model's space.
        timestep: current timestep.
        sample: $x_t$ (batch, …), in data space, before the step.

    Raises:
        NotImplementedError: if the scheduler has no forward process.
        ValueError: if its prediction type is unknown.

    Example:
        >>> import torch
        >>> from diffusers import DDIMScheduler
        >>> scheduler = DDIMScheduler(clip_sample=False)
        >>> scheduler.set_timesteps(5)
        >>> x, output, t = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), scheduler.timesteps[2]
        >>> x0 = predicted_original_sample(scheduler, output, t, x)
        >>> torch.allclose(x0, scheduler.step(output, t, x).pred_original_sample)
        True
    """
    scales, prior = scales_of_step(scheduler, timestep, sample), getattr(scheduler, "prior", None)
    if prior is None:
        return _solved(scales, model_output, sample)
    if scheduler.model_space == "white":
        return prior.to_data(_solved(scales, model_output, prior.to_white(sample)))
    if scheduler.model_space == "data":
        model_output = model_output - scales.data_weight * prior.mean
    return prior.mean + _solved(scales, model_output, sample - prior.mean)


def _solved(scales: StepScales, prediction: Tensor, state: Tensor) -> Tensor:
    """The data of which the state and the prediction are made, in their dtype."""
    signal, noise, data_weight, noise_weight, _ = scales
    data = (noise_weight * state - noise * prediction) / (signal * noise_weight - noise * data_weight)
    return data.to(state.dtype)
