"""What the methods of a solver take, by the names that diffusers gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from priordiff.schedulers.coordinates import Coordinates
from priordiff.schedulers.data_space import MaskInDataSpace
from priordiff.schedulers.predictions import data_weight_of_step

__all__ = ["DIRECTIONS", "PREDICTIONS", "STATES", "arguments_of_step"]

STATES = (
    "sample",
    "x",
    "sample_hat",
    "sample_prev",
    "old_pred_original_sample",
    "pred_original_sample",
    "original_image",
    "cus_last_sample",
    "dmd_noisy_tensor",
)
PREDICTIONS = ("model_output", "score")
DIRECTIONS = ("derivative",)  # differences of states: the mean is not in them
WHITE_NOISE = ("noise", "variance_noise")


def arguments_of_step(
    scheduler: Any, coordinates: Coordinates, given: Mapping[str, Any], sample: Tensor
) -> dict[str, Any]:
    """The arguments of a step in the coordinates in which the solver takes it.

    Args:
        scheduler: the scheduler, with a prior.
        coordinates: those of the solver.
        given: the arguments of the call by name: states in data space, predictions in the model's space,
            noise white.
        sample: the state among them.

    Raises:
        TypeError: if there is a tensor like the state of which it is unknown what it is.
    """
    timestep = given.get("timestep", given.get("timesteps"))

    def convert(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return value
        if name in PREDICTIONS:
            return _prediction(scheduler, coordinates, value, sample, timestep)
        if name in STATES:
            return coordinates.from_data(value)
        if name in DIRECTIONS:
            return coordinates.from_centered(value)
        if name in WHITE_NOISE:
            return coordinates.from_white(value)
        if name == "mask":
            return MaskInDataSpace(coordinates, value)
        if value.shape == sample.shape:
            raise TypeError(
                f"{scheduler.plain_class.__name__} takes a tensor {name!r} of the sample's shape "
                f"{tuple(value.shape)}, and it is unknown whether that is a state, a prediction or noise: "
                "leave it out, or call without a prior"
            )
        return value

    return {name: convert(name, value) for name, value in given.items()}


def _prediction(
    scheduler: Any, coordinates: Coordinates, prediction: Tensor, sample: Tensor, timestep: Any
) -> Tensor:
    if prediction.shape != sample.shape:
        channels = sample.shape[1]
        mean, variance = prediction[:, :channels], prediction[:, channels:]
        mean = _prediction(scheduler, coordinates, mean, sample, timestep)
        return torch.cat([mean, variance], dim=1)
    if scheduler.model_space == "white":
        return coordinates.from_white(prediction)
    if scheduler.model_space == "data":
        weight = data_weight_of_step(scheduler, timestep, sample)
        if isinstance(weight, Tensor) or weight:
            prediction = prediction - weight * coordinates.prior.mean
    return coordinates.from_centered(prediction)
