"""Which scheduler samples in a call: the pipeline's own, a solver by name, or one found for its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from priordiff.pipelines.solvers import checked_steps, taking_prior, with_solver
from priordiff.schedulers import PriorGradScheduler, prior_scheduler_named

__all__ = ["ChoosesScheduler", "scheduler_of"]


class ChoosesScheduler:
    """A pipeline whose configuration has a `solver`, `num_inference_steps` and `schedules`.

    A scheduler that is assigned later is the one that samples: solver and schedules, which were chosen for
    another one, are forgotten.
    """

    scheduler: Any
    config: Any

    def __setattr__(self, name: str, value: Any) -> None:
        is_scheduler = name == "scheduler" and value is not None
        super().__setattr__(name, taking_prior(value) if is_scheduler else value)
        stale = [each for each in ("solver", "schedules") if is_scheduler and self.config.get(each)]
        if stale:
            self.register_to_config(**dict.fromkeys(stale))  # type: ignore[attr-defined]

    def scheduler_of_call(
        self, num_inference_steps: int | None, solver: str | None, betas: Sequence[float] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The scheduler of a call, and what its `set_timesteps` is to be given.

        Args:
            num_inference_steps: of the call; None for the pipeline's.
            solver: of the call: it comes before what was found for the number of steps, and this before the
                pipeline's solver.
            betas: of the call, instead of the number.

        Raises:
            ValueError: if there is no such solver, or the scheduler has fewer steps.
        """
        steps = self.config.num_inference_steps if num_inference_steps is None else num_inference_steps
        found = (self.config.get("schedules") or {}).get(str(steps))
        if found is not None and solver is None and betas is None:
            scheduler = scheduler_of(found)
        else:
            solver = solver or self.config.solver
            scheduler = self.scheduler if solver is None else with_solver(self.scheduler, solver)
        if betas is not None:
            return scheduler, {"betas": betas}
        return scheduler, {"num_inference_steps": checked_steps(scheduler, steps)}


def scheduler_of(config: Any) -> Any:
    """The scheduler that a saved configuration is of.

    Args:
        config: with its `_class_name`.

    Raises:
        AttributeError: if it is none that takes a prior.
    """
    name = config["_class_name"]
    is_papers = name == PriorGradScheduler.__name__
    return (PriorGradScheduler if is_papers else prior_scheduler_named(name)).from_config(config)
