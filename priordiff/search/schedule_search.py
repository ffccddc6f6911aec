"""Finds the schedule with which a trained network samples best in a number of steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from priordiff.search.candidates import Candidate, beta_lists, first_candidates, samplers_for
from priordiff.search.refinement import descend, list_space, set_steps

__all__ = ["ScheduleSearch", "Trial", "search_schedule"]

_MOST_STARTS = 5


@dataclass(frozen=True)
class Trial:
    """A schedule that has been tried.

    Attributes:
        solver: a key of `SAMPLERS`.
        name: what is particular about it.
        scheduler: with its configuration, from which `set_timesteps(num_inference_steps)` makes the schedule.
        num_inference_steps: how many steps, and evaluations of the network.
        score: what `quality` said of it; infinite where that was no number.
    """

    solver: str
    name: str
    scheduler: Any
    num_inference_steps: int
    score: float


@dataclass(frozen=True)
class ScheduleSearch:
    """What a search has found.

    Attributes:
        trials: all that was tried, solver by solver, each first as it comes.
    """

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the lowest score; of equal ones the first."""
        return min(self.trials, key=_score)

    @property
    def scheduler(self) -> Any:
        """That of the best trial."""
        return self.best.scheduler

    def of(self, solver: str) -> ScheduleSearch:
        """The trials of one solver.

        Raises:
            ValueError: if there are none.
        """
        trials = tuple(trial for trial in self.trials if trial.solver == solver)
        if not trials:
            tried = ", ".join(map(repr, dict.fromkeys(trial.solver for trial in self.trials)))
            raise ValueError(f"solver={solver!r} was not tried, expected one of {tried}")
        return ScheduleSearch(trials)


def search_schedule(
    scheduler: Any,
    num_inference_steps: int,
    quality: Callable[[Any, int], float],
    solvers: Sequence[str] | None = None,
    budget: int = 40,
) -> ScheduleSearch:
    r"""Searches the schedule of so many steps with which a trained network samples best.

    PriorGrad (Lee et al., ICLR 2022) and WaveGrad (Chen et al., ICLR 2021) choose the betas of sampling by a
    grid search on validation data. Here every solver is searched, each in the same number of trials:

    1. as it comes, and with the spacings, orders and variances that its configuration offers; a flow, with
       shifted straight paths;
    2. the paper's sampler, with a grid of lists of betas that takes half of the budget at most;
    3. what can have any list of steps, by coordinate descent from the best so far, from coarse to fine: lists
       of betas, of training steps, or of a flow's sigmas; UniPC takes none.

    No random number is drawn: if `quality` gives equal schedulers equal numbers, the result is the same each
    time. A trial costs one call of `quality`, that is $n$ evaluations of the network for each sample.

    Args:
        scheduler: with what the network was trained with: noise levels, prediction type, model space.
        num_inference_steps: n.
        quality: of the samples that a scheduler makes in so many steps, the lower the better. It sets
            timesteps and prior, and should give all schedulers the same noise and the same data, which are
            not those of training.
        solvers: keys of `SAMPLERS`; all that the noise levels allow by default.
        budget: calls of `quality` for each solver.

    Returns:
        All trials, and the best of them.

    Raises:
        ValueError: if there is no such solver, a number is out of range, or no trial gave a finite number.

    Example:
        >>> import torch
        >>> from priordiff import PriorGradScheduler
        >>> from priordiff.search import search_schedule
        >>> noise = torch.randn(512, 1, generator=torch.Generator().manual_seed(0))
        >>> def quality(scheduler, steps):  # of the exact network for data N(0, 0.5²)
        ...     scheduler.set_timesteps(steps)
        ...     x, generator = noise, torch.Generator().manual_seed(1)
        ...     for t in scheduler.timesteps:
        ...         a, s = (torch.sqrt(v) for v in (level(t), 1 - level(t)))
        ...         x0 = a * 0.25 / (a**2 * 0.25 + s**2) * x
        ...         x = scheduler.step((x - a * x0) / s, t, x).prev_sample
        ...     return float((x.std() - 0.5).abs())
        >>> trained = PriorGradScheduler(num_train_timesteps=200)
        >>> def level(t):
        ...     whole = torch.arange(200.0)
        ...     return torch.tensor(np.interp(float(t), whole, trained.alphas_cumprod)).float()
        >>> found = search_schedule(trained, 4, quality, solvers=["ddim", "dpm++"], budget=12)
        >>> len(found.trials), found.best.score < found.of("ddim").trials[0].score
        (24, True)
    """
    most = scheduler.config.get("num_train_timesteps", num_inference_steps)
    if not 1 <= num_inference_steps <= most:
        raise ValueError(f"num_inference_steps={num_inference_steps}, expected 1 to {most}, as in training")
    if budget < 1:
        raise ValueError(f"budget={budget}, expected at least one call of quality for each solver")
    trials: list[Trial] = []
    for solver in samplers_for(scheduler) if solvers is None else dict.fromkeys(solvers):
        trials += _OfOneSolver(scheduler, solver, num_inference_steps, quality, budget).trials
    if not any(math.isfinite(trial.score) for trial in trials):
        raise ValueError(
            f"quality was no finite number for any of the {len(trials)} schedules tried: check it with "
            "quality(scheduler, num_inference_steps)"
        )
    return ScheduleSearch(tuple(trials))


class _Spent(Exception):
    """There is no budget left."""


class _OfOneSolver:
    """The trials of one solver, which are made at once."""

    def __init__(
        self, trained: Any, solver: str, steps: int, quality: Callable[[Any, int], float], budget: int
    ) -> None:
        self.steps, self.quality, self.budget = steps, quality, budget
        self.trials: list[Trial] = []
        self._seen: set[Any] = set()
        try:
            for candidate in first_candidates(trained, solver, steps):
                self.score(candidate)
            if solver == "ddpm" and self.trials:
                self._try_grid(trained)
            self._refine(trained)
        except _Spent:
            pass

    def score(self, candidate: Candidate) -> float | None:
        """What `quality` says; None for what makes no such number of steps, or the same as one before.

        Raises:
            _Spent: if there is no budget left.
        """
        probe = copy.deepcopy(candidate.scheduler)
        if not set_steps(probe, self.steps) or (key := _what_it_does(probe)) in self._seen:
            return None
        if len(self.trials) == self.budget:
            raise _Spent
        self._seen.add(key)
        score = float(self.quality(probe, self.steps))
        score = score if math.isfinite(score) else math.inf
        self.trials.append(Trial(candidate.solver, candidate.name, candidate.scheduler, self.steps, score))
        return score

    def _try_grid(self, trained: Any) -> None:
        best = min(self.trials, key=_score)
        space = list_space(trained, _candidate(best), self.steps)
        train_betas = trained.betas.double().numpy(force=True)
        for betas in beta_lists(train_betas, self.steps, self.budget // 2):
            candidate = None if space is None else space.candidate(np.log(betas))
            if candidate is not None:
                self.score(candidate)

    def _refine(self, trained: Any) -> None:
        # From the best on, and where no step leads further from the next ones: a descent finds what is near.
        for start in sorted(self.trials, key=_score)[:_MOST_STARTS]:
            space = list_space(trained, _candidate(start), self.steps)
            if space is not None:
                descend(space, start.score, self.score)


def _score(trial: Trial) -> float:
    return trial.score


def _candidate(trial: Trial) -> Candidate:
    return Candidate(trial.solver, trial.name, trial.scheduler)


def _what_it_does(scheduler: Any) -> tuple[Any, ...]:
    """Equal for schedulers that take the same steps, whatever their configurations call them."""
    names = ("algorithm_type", "solver_order", "variance_type")
    options = tuple(scheduler.config.get(name) for name in names)
    sigmas = getattr(scheduler, "sigmas", None)
    levels = () if sigmas is None else tuple(sigmas.tolist())
    return type(scheduler), options, tuple(scheduler.timesteps.tolist()), levels
