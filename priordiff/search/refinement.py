"""Lists of steps in coordinates of their own, in which a descent goes from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from priordiff.pipelines.solvers import with_solver
from priordiff.schedulers import signal_and_noise_scale
from priordiff.search.candidates import Candidate
from priordiff.search.flows import is_flow
from priordiff.search.levels import half_log_snr, nearest_timesteps, training_levels

__all__ = ["ListSpace", "descend", "list_space", "set_steps"]


@dataclass(frozen=True)
class ListSpace:
    """The lists of steps that a scheduler may have, in coordinates.

    Attributes:
        start: the list of the scheduler itself.
        candidate: what has the list of other coordinates; None if they make none.
        coarse: by how much a coordinate is moved at first.
        fine: and at last.
    """

    start: np.ndarray
    candidate: Callable[[np.ndarray], Candidate | None]
    coarse: float
    fine: float


def set_steps(scheduler: Any, num_inference_steps: int) -> bool:
    """Sets the timesteps of a scheduler; whether there are as many as asked for, all different and falling.

    Args:
        scheduler: any.
        num_inference_steps: how many.
    """
    try:
        scheduler.set_timesteps(num_inference_steps)
    except ValueError:  # betas outside of the training, or more steps than it had
        return False
    return len(scheduler.timesteps) == num_inference_steps and bool((scheduler.timesteps.diff() < 0).all())


def list_space(trained: Any, best: Candidate, num_inference_steps: int) -> ListSpace | None:
    """Where to look for lists that are better than a candidate; None where its class takes no lists.

    Args:
        trained: the scheduler of the training.
        best: from where to start.
        num_inference_steps: how many steps it has.
    """
    scheduler = type(best.scheduler).from_config(best.scheduler.config)
    if not set_steps(scheduler, num_inference_steps):
        return None
    if is_flow(trained):
        return _sigmas(best, scheduler) if best.solver == "flow" else None
    if best.solver == "ddpm":
        return _betas(best, scheduler)
    if best.solver in ("ddim", "dpm++", "sde-dpm++"):
        return _timesteps(trained, best, scheduler)
    return None


def descend(space: ListSpace, score: float, tried: Callable[[Candidate], float | None]) -> None:
    """Coordinate descent: moves one coordinate after the other as long as that helps, then by half as much.

    Args:
        space: where.
        score: of the candidate where it starts, whose steps are those of the first list, or nearly.
        tried: a candidate's score; None for one that cannot be tried, or was. What it raises ends the
            descent.
    """

    def score_at(place: np.ndarray) -> float | None:
        candidate = space.candidate(place)
        return None if candidate is None else tried(candidate)

    here, stride = space.start, space.coarse
    of_list = score_at(here)
    score = score if of_list is None else of_list
    while stride >= space.fine:
        moved = False
        for move in _moves(len(here), stride):
            found = score_at(here + move)
            if found is not None and found < score:
                here, score, moved = here + move, found, True
        if not moved:
            stride /= 2


def _moves(size: int, stride: float) -> Iterator[np.ndarray]:
    for index in range(size):
        for sign in (1.0, -1.0):
            move = np.zeros(size)
            move[index] = sign * stride
            yield move


def _betas(best: Candidate, scheduler: Any) -> ListSpace:
    """Logarithms of betas, which the papers' grid is even in."""
    levels = np.concatenate([[1.0], _levels_of(scheduler)[::-1]])
    start = np.log(1 - levels[1:] / levels[:-1])

    def candidate(logarithms: np.ndarray) -> Candidate | None:
        return _with_list(best, scheduler, [float(f"{beta:.4g}") for beta in np.exp(logarithms)], "betas")

    return ListSpace(start, candidate, coarse=float(np.log(2)), fine=0.1)


def _timesteps(trained: Any, best: Candidate, scheduler: Any) -> ListSpace:
    """Half of log-SNR, in which DPM-Solver's steps are measured."""
    # DDIM itself takes no list; it is the first order of DPM-Solver++.
    solver, order = best.solver, scheduler.config.get("solver_order")
    if solver == "ddim":
        solver, order = "dpm++", 1
    even = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "timestep_spacing": "linspace"}
    free = with_solver(trained, solver, solver_order=order, **even)
    levels = training_levels(trained)
    start = half_log_snr(levels)[scheduler.timesteps.long().numpy(force=True)]

    def candidate(wanted: np.ndarray) -> Candidate | None:
        if (np.diff(wanted) <= 0).any():
            return None
        return _with_list(best, free, nearest_timesteps(wanted, levels), "timesteps")

    gap = float(np.ptp(half_log_snr(levels))) / len(start)
    return ListSpace(start, candidate, coarse=gap / 2, fine=gap / 20)


def _sigmas(best: Candidate, scheduler: Any) -> ListSpace:
    """Noise levels of a flow."""
    start = scheduler.sigmas[:-1].double().numpy(force=True)
    plain = type(scheduler).from_config(
        scheduler.config, shift=1.0, use_karras_sigmas=False, use_exponential_sigmas=False
    )

    def candidate(sigmas: np.ndarray) -> Candidate | None:
        if sigmas[-1] <= 0 or sigmas[0] > 1:
            return None
        return _with_list(best, plain, [float(f"{sigma:.4g}") for sigma in sigmas], "sigmas")

    return ListSpace(start, candidate, coarse=0.5 / len(start), fine=0.05 / len(start))


def _with_list(best: Candidate, scheduler: Any, steps: list[Any], argument: str) -> Candidate | None:
    sibling = type(scheduler).from_config(scheduler.config)
    try:
        sibling.remember_steps(steps, argument)
    except ValueError:
        return None
    written = ", ".join(f"{step:g}" for step in steps)
    return Candidate(best.solver, f"{argument}={written}", sibling)


def _levels_of(scheduler: Any) -> np.ndarray:
    r"""$\bar\alpha$ of the timesteps of a scheduler."""
    timesteps = scheduler.timesteps
    signal, _ = signal_and_noise_scale(scheduler, timesteps, torch.zeros(1, dtype=torch.float64))
    return signal.square().numpy(force=True)
