"""The coordinates in which a solver steps: white ones, or centred ones where the solver lets L through."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["LINEAR_SOLVERS", "CenteredCoordinates", "Coordinates", "WhiteCoordinates", "drawing_in"]

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


class Coordinates(Protocol):
    """A way to write states, predictions and noise."""

    @property
    def prior(self) -> GaussianPrior:
        """The prior that they are those of."""

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        """A state, given in data space."""

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        """The inverse of `from_data`."""

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

    def from_centered(self, r: Tensor) -> Tensor:
        return self.prior.whiten(r)

    def to_centered(self, difference: Tensor) -> Tensor:
        return self.prior.color(difference)

    def from_white(self, n: Tensor) -> Tensor:
        return n


@dataclass(frozen=True)
class CenteredCoordinates:
    r"""$y = x - \mu = L z$, for solvers whose step is linear with numbers as coefficients.

    Such a step $S$ lets $L$ through, $L\,S(z, o, n) = S(L z, L o, L n)$: only the noise has to be coloured,
    and $L^{-1}$ is not needed.

    Args:
        prior: N(μ, Σ).
    """

    prior: GaussianPrior

    def from_data(self, x: Tensor, overwrite: bool = False) -> Tensor:
        return x.sub_(self.prior.mean) if overwrite else x - self.prior.mean

    def to_data(self, state: Tensor, overwrite: bool = False) -> Tensor:
        return state.add_(self.prior.mean) if overwrite else state + self.prior.mean

    def from_centered(self, r: Tensor) -> Tensor:
        return r

    def to_centered(self, difference: Tensor) -> Tensor:
        return difference

    def from_white(self, n: Tensor) -> Tensor:
        return self.prior.color(n)


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
