"""The two spaces of a state: the data's x and the white z = L⁻¹(x − μ)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["require_fit", "states_to_data", "to_data", "to_white"]


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


def require_fit(prior: GaussianPrior, sample: Tensor) -> None:
    """Checks that a prior fits a sample in shape, batch, device and dtype.

    A prior whose parameters are all numbers fits every sample.

    Args:
        prior: the prior.
        sample: data, noise or state, batch first.

    Raises:
        ValueError: if it does not fit; the message names both.
    """
    prior._check_event(sample)
    if not prior.event_shape:
        return
    if prior.mean.device != sample.device:
        raise ValueError(
            f"{type(prior).__name__} is on {prior.mean.device} and the sample on {sample.device}: "
            f"move one of them, e.g. prior.to({str(sample.device)!r})"
        )
    if prior.mean.dtype != sample.dtype:
        raise ValueError(
            f"{type(prior).__name__} has dtype {prior.mean.dtype} and the sample {sample.dtype}: "
            f"convert one of them, e.g. prior.to({sample.dtype})"
        )
