"""Invariant 2, for one scheduler: how far its states are from the coloured states of the plain solver."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from priordiff import DiagonalPrior, GaussianPrior
from tests.schedulers.drivers import BATCH, STEPS, driver_of, make, sample, white_noise_for, without_clipping
from tests.schedulers.networks import network_for, white_network

EXACT, ROUNDED, TABULATED = 1e-10, 1e-6, 1e-5


def diagonal_prior(event: tuple[int, ...], batch: int = BATCH) -> GaussianPrior:
    random = torch.Generator().manual_seed(1)
    mean, std = torch.rand(2, batch, *event, generator=random, dtype=torch.float64)
    return DiagonalPrior(4 * mean - 2, std + 0.2)


def deviation(
    states: list[Tensor], white_states: list[Tensor], prior: GaussianPrior, rounded: bool = False
) -> float:
    """The largest distance of a state from the coloured white one, relative to that one's largest element.

    For states that are rounded to float32 it is relative to the largest of all: what the noisiest has lost
    stays lost.
    """
    expected = [prior.to_data(z) for z in white_states]
    sizes = torch.stack([state.abs().max() for state in expected]).clamp(min=1)
    distances = torch.stack([(x - y).abs().max() for x, y in zip(states, expected, strict=True)])
    return float((distances / (sizes.max() if rounded else sizes)).max())


def deviation_from_plain(
    name: str,
    prior: GaussianPrior | None = None,
    model_space: str = "centered",
    config: dict[str, Any] | None = None,
    steps: int = STEPS,
) -> float:
    """`deviation` of a whole sampling in float64, with clipping off.

    Args:
        name: the scheduler's.
        prior: for data of the scheduler's event; by default a diagonal one with a mean.
        model_space: where the network works.
        config: of the scheduler.
        steps: how many.

    Raises:
        Exception: whatever the plain scheduler raises for such a configuration.
    """
    prior = prior or diagonal_prior(driver_of(name).event)
    options = {**without_clipping(name), **(config or {})}
    white_noise = white_noise_for(name)
    white_states = sample(make(name, **options), white_network, white_noise, steps=steps)
    scheduler = make(name, prior=True, **options, model_space=model_space)
    scheduler.set_prior(prior)
    states = sample(scheduler, network_for(scheduler, prior), white_noise, steps=steps)
    return deviation(states, white_states, prior, steps_in_float32(name))


def tolerance(name: str, model_space: str = "centered", config: dict[str, Any] | None = None) -> float:
    """How far from the plain solver's a state may be.

    It is rounding alone, 1e-10, but for the solvers that round the state itself to float32 in each step, and
    for the mean's weight in "data" space where it depends on the noise level: diffusers has that in float32.
    """
    constant = (config or {}).get("prediction_type") in ("epsilon", "sample", "flow_prediction")
    if model_space == "data" and not constant:
        return TABULATED
    return ROUNDED if steps_in_float32(name) else EXACT


@cache
def steps_in_float32(name: str) -> bool:
    """Whether a scheduler brings a float64 state down to float32 in its step."""
    white_noise = white_noise_for(name)
    with _Watch(white_noise.shape) as watch:
        sample(make(name), lambda z, t: z, white_noise)
    return watch.seen


class _Watch(TorchDispatchMode):
    """Sees whether a tensor of a shape is converted from float64 to float32."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape
        self.seen = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default:
            self.seen |= (args[0].shape, args[0].dtype, result.dtype) == (
                self.shape,
                torch.float64,
                torch.float32,
            )
        return result
