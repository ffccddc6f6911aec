"""The coordinates in which a solver steps: white ones, or centred ones where the solver lets L through."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = [
    "LINEAR_SOLVERS",
    "CenteredCoordinates",
    "Coordinates",
    "DataCoordinates",
    "WhiteCoordinates",
    "coordinates_for",
    "drawing_in",
]

# Solvers whose step is x' = a x + b₁ o₁ + b₂ o₂ + … + c n with numbers a, b, c, for the state x, what the
# network said of this state and of former ones, and white noise n, drawn by `randn_tensor` in `step`.
LINEAR_SOLVERS = {
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
}

# Those among them whose states are x₀ + σ n.
VARIANCE_EXPLODING_SOLVERS = {
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
}


class Coordinates(Protocol):
    """A way to write states, predictions and noise."""

    @property
    def prior(self) -> GaussianPrior:
        """The prior that they are those of."""

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        """A state, given in data space."""

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        """The inverse of `from_data`."""

    def next_to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        """As `to_data`, for the state after the step."""

    def estimate_to_data(self, estimate: Tensor, overwrite: bool = False) -> Tensor:
        """As `to_data`, for the estimate of $x_0$ that the step returns."""

    def from_centered(self, r: Tensor) -> Tensor:
        """A difference, or prediction, in the units of the data."""

    def to_centered(self, difference: Tensor) -> Tensor:
        """The inverse of `from_centered`."""

    def from_white(self, n: Tensor) -> Tensor:
        """White noise, or a prediction in white space."""


@dataclass(frozen=True)
class WhiteCoordinates:
    r"""$z = L^{-1}(x - \mu)$, in which the prior is N(0, I): right for every solver.

    Args:
        prior: N(μ, Σ).
    """

    prior: GaussianPrior

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        return self.prior.to_white(x, overwrite)

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        return self.prior.to_data(state, overwrite)

    next_to_data = to_data
    estimate_to_data = to_data

    def from_centered(self, r: Tensor) -> Tensor:
        return self.prior.whiten(r)

    def to_centered(self, difference: Tensor) -> Tensor:
        return self.prior.color(difference)

    def from_white(self, n: Tensor) -> Tensor:
        return n


@dataclass(frozen=True)
class _UnitsOfTheData:
    """What centred coordinates and those of the data share: differences and noise are as large as there."""

    prior: GaussianPrior

    def from_centered(self, r: Tensor) -> Tensor:
        return r

    def to_centered(self, difference: Tensor) -> Tensor:
        return difference

    def from_white(self, n: Tensor) -> Tensor:
        return self.prior.color(n)


@dataclass(frozen=True)
class CenteredCoordinates(_UnitsOfTheData):
    r"""$y = x - \mu = L z$, for solvers whose step is linear with numbers as coefficients.

    Such a step $S$ lets $L$ through, $L\,S(z, o, n) = S(L z, L o, L n)$: only the noise has to be coloured,
    and $L^{-1}$ is not needed.

    Args:
        prior: N(μ, Σ).
    """

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        return x.sub_(self.prior.mean) if overwrite else x - self.prior.mean

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        return state.add_(self.prior.mean) if overwrite else state + self.prior.mean

    next_to_data = to_data
    estimate_to_data = to_data


@dataclass(frozen=True)
class DataCoordinates(_UnitsOfTheData):
    r"""$x$ itself, for linear solvers and a network that predicts the noise.

    A linear step $S$ takes the mean along in a known proportion: $x' = S(x, L o, L n) + c\mu$, and likewise
    the solver's own estimate of $x_0$. Where the states are $x_0 + \sigma_t L n$, or μ = 0, there is no c to
    care for: the step under the prior is the plain one with coloured noise.

    Args:
        prior: N(μ, Σ).
        next_shift: c for the state after the step.
        estimate_shift: c for the estimate of $x_0$.
        corrects_estimate: whether the solver corrects its estimate, and so brings it to data space, itself.
    """

    next_shift: float = 0.0
    estimate_shift: float = 0.0
    corrects_estimate: bool = False

    @property
    def shifts_nothing(self) -> bool:
        """Whether the mean needs no care at all."""
        return not self.next_shift and not self.estimate_shift

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        return x

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        return self._shifted(state, self.estimate_shift, overwrite)

    def next_to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        return self._shifted(state, self.next_shift, overwrite)

    def estimate_to_data(self, estimate: Tensor, overwrite: bool = False) -> Tensor:
        return estimate if self.corrects_estimate else self.to_data(estimate, overwrite)

    def _shifted(self, state: Tensor, shift: float, overwrite: bool) -> Tensor:
        if not shift:
            return state
        mean = self.prior.mean
        return state.add_(mean, alpha=shift) if overwrite else torch.add(state, mean, alpha=shift)


def coordinates_for(
    scheduler: Any, method: str, prior: GaussianPrior, call: Mapping[str, Any]
) -> Coordinates:
    """The cheapest coordinates in which a solver's step is right.

    Args:
        scheduler: the scheduler.
        method: name of its method that steps.
        prior: the prior.
        call: the arguments of the step.
    """
    name = scheduler.plain_class.__name__
    # A learned variance, beside the prediction, multiplies each element of the noise by its own number, and
    # levels of single tokens do so with the prediction.
    linear = (
        method == "step"
        and name in LINEAR_SOLVERS
        and call["model_output"].shape == call["sample"].shape
        and call.get("per_token_timesteps") is None
    )
    # Some solvers round to float32 inside, which is the same in float64 only for the same numbers.
    if not linear or call["sample"].dtype == torch.float64:
        return WhiteCoordinates(prior)
    if prior.has_zero_mean:
        return DataCoordinates(prior)
    if scheduler.config.get("prediction_type") == "epsilon":
        if name in VARIANCE_EXPLODING_SOLVERS:
            return DataCoordinates(prior)
        if name == "DDIMScheduler" and prior.mean.dim():
            return _coordinates_of_ddim(scheduler, prior, int(call["timestep"]))
    return CenteredCoordinates(prior)


def _coordinates_of_ddim(scheduler: Any, prior: GaussianPrior, timestep: int) -> Coordinates:
    """DDIM costs so little that every pass over the state counts."""
    config, levels = scheduler.config, scheduler.alphas_cumprod
    next_timestep = timestep - config.num_train_timesteps // scheduler.num_inference_steps
    next_level = levels[next_timestep] if next_timestep >= 0 else scheduler.final_alpha_cumprod
    a, b = math.sqrt(float(levels[timestep])), math.sqrt(float(next_level))
    # The state is a x₀ + s L n + (1 − a) μ, and goes into the estimate by 1/a and into the next state by b/a,
    # but only by way of the estimate if that is clipped.
    corrects = bool(config.clip_sample or config.thresholding)
    carried = 0.0 if corrects else b * (1 - a) / a
    return DataCoordinates(prior, (1 - b) - carried, -(1 - a) / a, corrects)


def drawing_in(coordinates: Coordinates, step: Callable[..., Any]) -> Callable[..., Any]:
    """A solver's `step` whose noise is that of the coordinates.

    It is the same code in a namespace where `randn_tensor` draws such noise.

    Args:
        coordinates: in which the step is taken.
        step: the function, of a solver that draws its noise by diffusers' `randn_tensor`.
    """
    if isinstance(coordinates, WhiteCoordinates) or "randn_tensor" not in step.__globals__:
        return step
    draw = step.__globals__["randn_tensor"]

    def randn_tensor(*args: Any, **kwargs: Any) -> Tensor:
        return coordinates.from_white(draw(*args, **kwargs))

    namespace = {**step.__globals__, "randn_tensor": randn_tensor}
    copy = types.FunctionType(step.__code__, namespace, step.__name__, step.__defaults__, step.__closure__)
    copy.__kwdefaults__ = step.__kwdefaults__
    return copy
