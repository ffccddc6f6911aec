"""What the network predicts for the step at which a solver stands in its loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from priordiff.schedulers.predictions import (
    plain_class_of,
    prediction_type_of,
    prediction_weights,
    signal_and_noise_scale,
)

__all__ = ["StepScales", "data_weight_of_step", "scales_of_step"]


class StepScales(NamedTuple):
    r"""What a step has to do with $z_t = a_t z_0 + s_t n$; each number or tensor broadcasts to the data.

    Attributes:
        signal: $a_t$.
        noise: $s_t$.
        data_weight: of $z_0$ in what the network predicts.
        noise_weight: of $n$ likewise.
        input_scale: what `scale_model_input` multiplies $z_t$ by.
    """

    signal: Tensor
    noise: Tensor
    data_weight: float | Tensor
    noise_weight: float | Tensor
    input_scale: Tensor


def scales_of_step(
    scheduler: Any, timesteps: int | float | Sequence[int] | Tensor, like: Tensor
) -> StepScales:
    """The scales of a step that a solver is about to take, or of timesteps that training has drawn.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior.
        timesteps: one for all items, or one for each.
        like: data whose device, dtype and number of dimensions the scales get.

    Raises:
        NotImplementedError: if the scheduler has no forward process.
        ValueError: if the prediction type is unknown.
    """
    timesteps = torch.as_tensor(timesteps, device=like.device).reshape(-1)
    plain: Any = plain_class_of(scheduler)
    one = torch.ones_like(like[:1, :1])
    sampling = _is_in_a_loop(scheduler, timesteps)
    timesteps = timesteps[:1] if sampling else timesteps
    with _at_its_place(scheduler if sampling else None):
        levels = _levels_of_step(scheduler, timesteps[0], like) if sampling else None
        signal, noise = levels or signal_and_noise_scale(scheduler, timesteps, like)
        if prediction_type_of(scheduler) == "v_prediction" and levels is not None:
            total = torch.hypot(signal, noise)
            weights: tuple[float | Tensor, float | Tensor] = -noise / total, signal / total
        else:
            weights = prediction_weights(scheduler, timesteps, like)
    scale = one
    if hasattr(plain, "scale_model_input"):
        scale = plain.scale_model_input(scheduler, one, timesteps[0] if sampling else timesteps)
    return StepScales(signal, noise, *weights, scale)


def data_weight_of_step(
    scheduler: Any, timestep: int | float | Sequence[int] | Tensor, like: Tensor
) -> float | Tensor:
    """Weight of the data in what the network predicted for the step that a solver is about to take.

    That of `prediction_weights`, at the place in its loop where the solver stands. Its timestep alone does
    not tell: timesteps that are rounded repeat, and a second-order solver stops between two of them.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior.
        timestep: what `step` is given.
        like: data whose device, dtype and number of dimensions the weight gets.
    """
    prediction = prediction_type_of(scheduler)
    if prediction == "the score":
        return 0.0  # its times are no training steps
    levels = _levels_of_step(scheduler, timestep, like) if prediction == "v_prediction" else None
    if levels is not None:
        signal, noise = levels
        return -noise / torch.hypot(signal, noise)
    with _at_its_place(scheduler):
        return prediction_weights(scheduler, timestep, like)[0]


@contextmanager
def _at_its_place(scheduler: Any) -> Iterator[None]:
    """Has the forward process of a scheduler go by its place in its loop, and not by the timestep."""
    place = getattr(scheduler, "step_index", None)
    if place is None or not hasattr(scheduler, "set_begin_index"):
        yield
        return
    begin_index = scheduler.begin_index
    scheduler.set_begin_index(place)
    try:
        yield
    finally:
        scheduler.set_begin_index(begin_index)


def _is_in_a_loop(scheduler: Any, timesteps: Tensor) -> bool:
    """Whether all items are at the step at which a solver stands, and not where training has put them."""
    place, table = getattr(scheduler, "step_index", None), getattr(scheduler, "timesteps", None)
    if getattr(scheduler, "num_inference_steps", None) is None or not bool((timesteps == timesteps[0]).all()):
        return False
    if place is None or not isinstance(table, Tensor):
        return True
    # What a pipeline divides and its network multiplies again comes back rounded.
    return place < len(table) and abs(float(table[place]) - float(timesteps[0])) < 1e-2


def _levels_of_step(scheduler: Any, timestep: Any, like: Tensor) -> tuple[Tensor, Tensor] | None:
    """Scales of signal and noise for a step, where the solver itself has other ones than its `add_noise`."""
    plain: Any = plain_class_of(scheduler)
    if hasattr(plain, "_sigma_to_alpha_sigma_t") and not hasattr(plain, "precondition_outputs"):
        if scheduler.step_index is None:
            scheduler._init_step_index(timestep)  # as the step itself begins
        return scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[scheduler.step_index])
    if not getattr(scheduler, "state_in_first_order", True):
        # Only the scaling of the input, 1 / √(1 + σ²), knows the level of a stop between two timesteps.
        one = torch.ones_like(like[:1], dtype=torch.promote_types(like.dtype, torch.float32))
        scale = plain.scale_model_input(scheduler, one, timestep)
        return one.to(like.dtype), ((1 - scale.square()).sqrt() / scale).to(like.dtype)
    return None
