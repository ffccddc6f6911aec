"""The two spaces of a state: the data's x and the white z = L⁻¹(x − μ)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["states_to_data", "to_data", "to_white"]


def to_white(prior: GaussianPrior, x: Tensor) -> Tensor:
    r"""$L^{-1}(x - \mu)$."""
    return prior.whiten(x - prior.mean)


def to_data(prior: GaussianPrior, z: Tensor) -> Tensor:
    r"""$\mu + L z$."""
    return prior.mean + prior.color(z)


def states_to_data(prior: GaussianPrior, result: Any, shape: torch.Size) -> Any:
    """Colours every state in what a scheduler's `step` returned.

    Args:
        prior: the prior.
        result: an output class of diffusers, or a tuple.
        shape: shape of a state; what has another shape, or is no tensor, is returned as it is.
    """

    def convert(value: Any) -> Any:
        is_state = isinstance(value, Tensor) and value.shape == shape
        return to_data(prior, value) if is_state else value

    if isinstance(result, BaseOutput):
        names = [field.name for field in fields(result)]  # type: ignore[arg-type]
        return type(result)(**{name: convert(getattr(result, name)) for name in names})
    return tuple(convert(value) for value in result)
