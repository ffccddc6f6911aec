"""Schedules to try for networks that were trained on the straight paths of flow matching."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import diffusers

from priordiff.pipelines.solvers import SOLVERS
from priordiff.schedulers import prior_scheduler_class

__all__ = ["FLOW_SAMPLERS", "SHIFTS", "flow_candidates", "is_flow", "orders_for"]

FLOW_SAMPLERS = ("dpm++", "sde-dpm++", "unipc", "flow")
SHIFTS = (1.0, 0.5, 2.0, 3.0, 0.33, 1.5, 0.25, 4.0, 6.0)


def is_flow(scheduler: Any) -> bool:
    """Whether a scheduler's network was trained on the straight paths of flow matching."""
    config = scheduler.config
    return bool(config.get("use_flow_sigmas")) or ("shift" in config and "beta_start" not in config)


def flow_candidates(scheduler: Any, solver: str, num_inference_steps: int) -> Iterator[tuple[str, Any]]:
    """Names and schedulers: first the solver with the shift of the training, then with others.

    Args:
        scheduler: of the training.
        solver: one of `FLOW_SAMPLERS`.
        num_inference_steps: how many.
    """
    config = scheduler.config
    own = config.get("shift") or config.get("flow_shift") or 1.0
    if solver != "flow":
        orders = orders_for(solver, num_inference_steps)
        yield "as it comes", _solver_of_flow(scheduler, solver, flow_shift=own)
        for order, shift in itertools.product(orders, dict.fromkeys([own, *SHIFTS])):
            sibling = _solver_of_flow(scheduler, solver, flow_shift=shift, solver_order=order)
            yield f"flow_shift={shift:g}, solver_order={order}", sibling
        return
    yield "as it comes", _euler(scheduler, shift=own)
    for shift in dict.fromkeys([own, *SHIFTS]):
        yield f"shift={shift:g}", _euler(scheduler, shift=shift)
    for name in ("use_karras_sigmas", "use_exponential_sigmas"):
        yield name, _euler(scheduler, shift=1.0, **{name: True})


def orders_for(solver: str, num_inference_steps: int) -> range:
    """The orders that so many steps tell apart: a multistep solver begins and ends with lower ones.

    Args:
        solver: "dpm++", "sde-dpm++" or "unipc".
        num_inference_steps: how many.
    """
    if solver == "sde-dpm++":
        return range(1, min(max(num_inference_steps - 1, 1), 2) + 1)
    highest = (num_inference_steps + 1) // 2 if solver == "unipc" else num_inference_steps - 1
    return range(2, min(max(highest, 2), 3) + 1)


def _solver_of_flow(scheduler: Any, solver: str, **options: Any) -> Any:
    scheduler_class, of_name = SOLVERS[solver]
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    return scheduler_class.from_config(_what_is_trained(scheduler), **flow, **of_name, **options)


def _euler(scheduler: Any, **options: Any) -> Any:
    scheduler_class = prior_scheduler_class(diffusers.FlowMatchEulerDiscreteScheduler)
    return scheduler_class.from_config(_what_is_trained(scheduler), **options)


def _what_is_trained(scheduler: Any) -> dict[str, Any]:
    """What a network of flow matching knows of its scheduler: the unit of time, and the space."""
    names = ("num_train_timesteps", "model_space")
    return {name: scheduler.config[name] for name in names if name in scheduler.config}
