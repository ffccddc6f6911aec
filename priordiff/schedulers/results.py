"""What the methods of a solver return, brought to data space."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.schedulers.arguments import DIRECTIONS
from priordiff.schedulers.coordinates import Coordinates, DataCoordinates

__all__ = ["result_to_data"]

ESTIMATES = ("pred_original_sample", "denoised")  # of x₀, among the results
_WITHOUT_TENSORS = (type(None), bool, int, float, complex, str, np.ndarray, np.generic, torch.Generator)


def result_to_data(
    coordinates: Coordinates, result: Any, function: Callable[..., Any], kept: Sequence[Any]
) -> Any:
    """Brings what a method of a solver returned to data space.

    Args:
        coordinates: those in which the solver stepped.
        result: a tensor, a tuple, or an output class of diffusers; numbers in it are left alone.
        function: the method, whose annotation says what the places of a tuple mean.
        kept: what the solver and its caller still have. Results that share no memory with a tensor in it are
            brought over in place.

    Raises:
        ValueError: if a state among the results does not fit the prior, as that of a solver which changes the
            resolution on its way.
    """
    if isinstance(coordinates, DataCoordinates) and coordinates.shifts_nothing:
        return result
    kept_memory = _memory_of(kept)
    converted: dict[int, Tensor] = {}  # a solver may return a tensor twice

    def convert(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return value
        if id(value) not in converted:
            if name in DIRECTIONS:
                converted[id(value)] = coordinates.to_centered(value)
            else:
                to_data = coordinates.estimate_to_data if name in ESTIMATES else coordinates.next_to_data
                converted[id(value)] = to_data(value, overwrite=free(value))
        return converted[id(value)]

    def free(value: Tensor) -> bool:
        if kept_memory is None or value.requires_grad:
            return False
        memory = _address(value)
        sharing = sum(isinstance(other, Tensor) and _address(other) == memory for other in distinct)
        return sharing == 1 and memory not in kept_memory

    if isinstance(result, BaseOutput):
        names = [field.name for field in fields(result)]  # type: ignore[arg-type]
        values = [getattr(result, name) for name in names]
    else:
        names = _names_of_results(function)
        values = list(result) if isinstance(result, tuple) else [result]
    distinct = list({id(value): value for value in values}.values())
    names = names + [""] * (len(values) - len(names))
    values = [convert(name, value) for name, value in zip(names, values, strict=False)]
    if isinstance(result, BaseOutput):
        return type(result)(**dict(zip(names, values, strict=True)))
    return tuple(values) if isinstance(result, tuple) else values[0]


def _memory_of(values: Iterable[Any]) -> set[int] | None:
    """The addresses of all tensors among some values and in lists, tuples and dicts of them.

    None if there is a value of which it is unknown what it holds.
    """
    addresses: set[int] = set()
    for value in values:
        if isinstance(value, Tensor):
            addresses.add(_address(value))
        elif isinstance(value, list | tuple | dict):
            inside = _memory_of(value.values() if isinstance(value, dict) else value)
            if inside is None:
                return None
            addresses |= inside
        elif not isinstance(value, _WITHOUT_TENSORS):
            return None
    return addresses


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@cache
def _names_of_results(function: Callable[..., Any]) -> list[str]:
    annotation = typing.get_type_hints(function).get("return")
    for choice in (annotation, *typing.get_args(annotation)):
        if is_dataclass(choice):
            return [field.name for field in fields(choice)]
    return []
