"""The schedules that a search begins with: what diffusers offers, the straight path, the paper's grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from priordiff.pipelines.solvers import with_solver
from priordiff.search.flows import FLOW_SAMPLERS, SHIFTS, flow_candidates, is_flow, orders_for
from priordiff.search.levels import straight_timesteps, training_levels

__all__ = ["SAMPLERS", "Candidate", "beta_lists", "first_candidates", "samplers_for"]

# Those that can be searched for a diffusion and for a flow, and what the table calls them.
SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "ddpm": "the paper's",
        "ddim": "DDIM",
        "dpm++": "DPM-Solver++",
        "sde-dpm++": "SDE-DPM-Solver++",
        "unipc": "UniPC",
        "flow": "flow",
    }
)

_VARIANCES = ("fixed_small", "fixed_large")
_EVEN = ("linspace", "trailing", "leading")  # values of timestep_spacing
# Beta sigmas would make a model that cannot be loaded without scipy; Lu's are the exponential ones.
_UNEVEN = ("use_karras_sigmas", "use_exponential_sigmas")
# How finely a decade of betas is divided: the grid is the finest one that the budget allows.
_MANTISSAS = (tuple(range(1, 10)), (1, 2, 5, 8), (1, 5), (1,))


@dataclass(frozen=True)
class Candidate:
    """A scheduler to try.

    Attributes:
        solver: a key of `SAMPLERS`.
        name: what is particular about it, for people.
        scheduler: with its configuration; its timesteps are set by who samples.
    """

    solver: str
    name: str
    scheduler: Any


def samplers_for(scheduler: Any) -> tuple[str, ...]:
    """The samplers that can be had for what a scheduler's network was trained with.

    Args:
        scheduler: of the training.

    Raises:
        ValueError: if there is none for its noise levels.
    """
    if is_flow(scheduler):
        return FLOW_SAMPLERS
    refusals: dict[str, Exception] = {}
    for solver in SAMPLERS:
        try:
            with_solver(scheduler, "dpm++" if solver == "flow" else solver)
        except (ValueError, NotImplementedError) as error:
            refusals[solver] = error
    if len(refusals) == len(SAMPLERS):
        raise ValueError(str(refusals["ddpm"])) from refusals["ddpm"]
    return tuple(solver for solver in SAMPLERS if solver not in refusals)


def first_candidates(scheduler: Any, solver: str, num_inference_steps: int) -> Iterator[Candidate]:
    """What a search tries of a solver before it refines: first the solver as it comes, then other spacings.

    Args:
        scheduler: with what the network was trained with.
        solver: a key of `SAMPLERS`.
        num_inference_steps: how many.

    Raises:
        ValueError: if there is no such solver, or none for these noise levels.
    """
    known = samplers_for(scheduler)
    if solver not in known:
        raise ValueError(
            f"solver={solver!r}, expected one of {', '.join(map(repr, known))} for {type(scheduler).__name__}"
        )
    make = flow_candidates if is_flow(scheduler) else _of_diffusion
    yield from (Candidate(solver, *each) for each in make(scheduler, solver, num_inference_steps))


def _of_diffusion(scheduler: Any, solver: str, steps: int) -> Iterator[tuple[str, Any]]:
    if solver == "flow":
        yield from _straight_paths(scheduler, steps)
        return
    yield "as it comes", with_solver(scheduler, solver)
    if solver == "ddpm":
        yield from _ancestral(scheduler)
    elif solver == "ddim":
        for spacing in _EVEN:
            sibling = with_solver(scheduler, solver, timestep_spacing=spacing)
            yield f"timestep_spacing={spacing}", sibling
        for name, options in _spacings(_UNEVEN):
            yield name, _first_order(scheduler, options)
    else:
        for order in orders_for(solver, steps):
            for name, options in _spacings((*_EVEN, *_UNEVEN)):
                sibling = with_solver(scheduler, solver, solver_order=order, **options)
                yield f"{name}, solver_order={order}", sibling


def _ancestral(scheduler: Any) -> Iterator[tuple[str, Any]]:
    own = with_solver(scheduler, "ddpm").config["variance_type"]
    # One that the network predicts is no choice.
    for variance in _VARIANCES if own in _VARIANCES else (own,):
        for spacing in ("angle", *_EVEN):
            options = {"timestep_spacing": spacing, "variance_type": variance}
            yield f"timestep_spacing={spacing}, {variance}", with_solver(scheduler, "ddpm", **options)


def _straight_paths(scheduler: Any, steps: int) -> Iterator[tuple[str, Any]]:
    levels = training_levels(scheduler)
    ((_, plain),) = _spacings(("linspace",))
    for shift in SHIFTS:
        sibling = _first_order(scheduler, plain)
        sibling.remember_steps(straight_timesteps(levels, steps, shift), "timesteps")
        yield f"straight path, shift={shift:g}", sibling


def _spacings(names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Options of multistep solvers, each with all that another one has, so that none is left over."""
    for name in names:
        even = name if name in _EVEN else "linspace"
        options = {"timestep_spacing": even, **{each: each == name for each in _UNEVEN}}
        yield f"timestep_spacing={name}" if name in _EVEN else name, options


def _first_order(scheduler: Any, options: Mapping[str, Any]) -> Any:
    """DDIM, as the first order of DPM-Solver++ (Lu et al., 2022), which can be had at any noise levels."""
    return with_solver(scheduler, "dpm++", solver_order=1, **options)


def beta_lists(train_betas: np.ndarray, num_inference_steps: int, most: int) -> list[list[float]]:
    r"""The grid of the papers: all increasing lists of betas $m \cdot 10^{-k}$.

    $m$ runs from 1 to 9 in WaveGrad (Chen et al., ICLR 2021, appendix A), and PriorGrad's lists (Lee et al.,
    ICLR 2022) look like 0.001, 0.01, 0.05, 0.1, 0.5, 0.8. There are $\binom{G}{n}$ lists of n among G betas,
    so the more steps the coarser the grid: the finest of four that has at most so many lists.

    Args:
        train_betas: those of training; no beta is smaller than the first of them.
        num_inference_steps: n.
        most: how many lists there may be.

    Returns:
        The lists; none if even the decades alone make too many.

    Example:
        >>> beta_lists(np.linspace(1e-4, 0.05, 400), num_inference_steps=3, most=5)
        [[0.0001, 0.001, 0.01], [0.0001, 0.001, 0.1], [0.0001, 0.01, 0.1], [0.001, 0.01, 0.1]]
    """
    decades = range(math.floor(math.log10(train_betas[0])), 0)
    for mantissas in _MANTISSAS:
        grid = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in mantissas]
        grid = [beta for beta in grid if beta >= train_betas[0] * (1 - 1e-6)]
        if math.comb(len(grid), num_inference_steps) <= most:
            return [list(each) for each in itertools.combinations(grid, num_inference_steps)]
    return []
