"""What the methods of a scheduler take and return, by the names that diffusers gives it."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["DIRECTIONS", "PREDICTIONS", "STATES", "WHITE_NOISE", "result_to_data"]

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


def result_to_data(prior: GaussianPrior, result: Any, function: Callable[..., Any]) -> Any:
    """Brings what a method of a solver returned from white space to data space.

    Args:
        prior: the prior.
        result: a tensor, a tuple, or an output class of diffusers; numbers in it are left alone.
        function: the method, whose annotation says what the places of a tuple mean.

    Raises:
        ValueError: if a state among the results does not fit the prior, as that of a solver which changes the
            resolution on its way.
    """

    def convert(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return value
        return prior.color(value) if name in DIRECTIONS else prior.to_data(value)

    if isinstance(result, BaseOutput):
        names = [field.name for field in fields(result)]  # type: ignore[arg-type]
        return type(result)(**{name: convert(name, getattr(result, name)) for name in names})
    if isinstance(result, tuple):
        names = _names_of_results(function)
        return tuple(
            convert(names[place] if place < len(names) else "", value) for place, value in enumerate(result)
        )
    return convert("", result)


@cache
def _names_of_results(function: Callable[..., Any]) -> list[str]:
    annotation = typing.get_type_hints(function).get("return")
    for choice in (annotation, *typing.get_args(annotation)):
        if is_dataclass(choice):
            return [field.name for field in fields(choice)]
    return []
