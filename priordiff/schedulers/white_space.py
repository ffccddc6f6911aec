"""What a solver and its callers exchange, on its way to white space and back."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import zip_longest
from typing import Any

import torch
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.priors import GaussianPrior
from priordiff.schedulers.data_space import MaskInDataSpace
from priordiff.schedulers.step_scales import data_weight_of_step

__all__ = ["PREDICTIONS", "STATES", "WhiteSpace", "arguments_to_white", "names_of_results", "results_to_data"]

# The names that diffusers gives to what the methods of its solvers take and return.
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


@dataclass(frozen=True)
class WhiteSpace:
    r"""$z = L^{-1}(x - \mu)$, where the prior is N(0, I). Every tensor keeps its dtype on the way.

    Args:
        prior: N(μ, Σ), in the dtype of the state.
        dtype: that dtype; what a network says under autocast may have another.
    """

    prior: GaussianPrior
    dtype: torch.dtype

    def from_data(self, x: Tensor) -> Tensor:
        r"""$L^{-1}(x - \mu)$, of a state."""
        return self._in_its_dtype(self.prior.to_white, x)

    def to_data(self, z: Tensor) -> Tensor:
        r"""$\mu + L z$, of a state."""
        return self._in_its_dtype(self.prior.to_data, z)

    def from_centered(self, r: Tensor) -> Tensor:
        r"""$L^{-1} r$, of a difference or a prediction in the units of the data."""
        return self._in_its_dtype(self.prior.whiten, r)

    def to_centered(self, difference: Tensor) -> Tensor:
        r"""$L d$, of a difference or of noise."""
        return self._in_its_dtype(self.prior.color, difference)

    def _in_its_dtype(self, map_: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
        if value.dtype == self.dtype:
            return map_(value)
        return map_(value.to(self.dtype)).to(value.dtype)


def arguments_to_white(
    scheduler: Any, space: WhiteSpace, given: Mapping[str, Any], sample: Tensor
) -> dict[str, Any]:
    """The arguments of a step as the solver, which works in white space, takes them.

    Args:
        scheduler: the scheduler, with a prior.
        space: that of the solver.
        given: the arguments of the call by name: states in data space, predictions in the model's space,
            noise white.
        sample: the state among them.

    Raises:
        TypeError: if there is a tensor like the state of which it is unknown what it is.
    """
    arguments = dict(given)
    for name, value in given.items():
        if name in WHITE_NOISE or not isinstance(value, Tensor) or not value.dim():
            continue
        if name in PREDICTIONS:
            timestep = given.get("timestep", given.get("timesteps"))
            arguments[name] = _prediction_to_white(scheduler, space, value, sample, timestep)
        elif name in STATES:
            arguments[name] = space.from_data(value)
        elif name in DIRECTIONS:
            arguments[name] = space.from_centered(value)
        elif name == "mask":
            arguments[name] = MaskInDataSpace(space, value)
        elif value.shape == sample.shape:
            raise TypeError(
                f"{scheduler.plain_class.__name__} takes a tensor {name!r} of the sample's shape "
                f"{tuple(value.shape)}, and it is unknown whether that is a state, a prediction or noise: "
                "leave it out, or call without a prior"
            )
    return arguments


def _prediction_to_white(
    scheduler: Any, space: WhiteSpace, prediction: Tensor, sample: Tensor, timestep: Any
) -> Tensor:
    model_space = scheduler.model_space
    if model_space == "white":
        return prediction
    if prediction.shape != sample.shape:  # what follows is a learned variance, which belongs to z
        channels = sample.shape[1]
        mean, variance = prediction[:, :channels], prediction[:, channels:]
        mean = _prediction_to_white(scheduler, space, mean, sample, timestep)
        return torch.cat([mean, variance], dim=1)
    if model_space == "data":
        weight = data_weight_of_step(scheduler, timestep, sample)
        if isinstance(weight, Tensor) or weight:
            prediction = (prediction - weight * space.prior.mean).to(prediction.dtype)
    return space.from_centered(prediction)


def results_to_data(space: WhiteSpace, result: Any, names: tuple[str, ...]) -> Any:
    """What a method of a solver returned, with every state in data space.

    Args:
        space: that of the solver.
        result: a tensor, a tuple, or an output class of diffusers, which is written into; numbers in it are
            left alone.
        names: what the places of a tuple mean, as far as it is known: what is not is a state.

    Raises:
        ValueError: if a state among the results does not fit the prior, as that of a solver which changes the
            resolution on its way.
    """
    if isinstance(result, BaseOutput):
        for name, value in result.items():
            result[name] = _to_data(space, name, value)
        return result
    if isinstance(result, tuple):
        named = zip_longest(names[: len(result)], result, fillvalue="")
        return tuple([_to_data(space, name, value) for name, value in named])
    return _to_data(space, "", result)


def _to_data(space: WhiteSpace, name: str, value: Any) -> Any:
    if not isinstance(value, Tensor) or not value.dim():
        return value
    return space.to_centered(value) if name in DIRECTIONS else space.to_data(value)


def names_of_results(function: Callable[..., Any]) -> tuple[str, ...]:
    """The fields of the output class that a method is annotated with: the places of the tuple it may return.

    Args:
        function: a method of a solver.
    """
    try:
        annotation = typing.get_type_hints(function).get("return")
    except NameError:  # it names what is imported for type checkers alone
        return ()
    for choice in (annotation, *typing.get_args(annotation)):
        if is_dataclass(choice):
            return tuple(field.name for field in fields(choice))
    return ()
