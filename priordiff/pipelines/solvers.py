"""Solvers by name, for a pipeline whose scheduler says what its network was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any

import diffusers

from priordiff.schedulers import PriorGradScheduler, prior_scheduler_class, with_prior
from priordiff.schedulers.configurations import with_noise_levels

__all__ = ["SOLVERS", "checked_steps", "taking_prior", "with_solver"]

# The class of each, and the options that make it what its name says.
SOLVERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = MappingProxyType(
    {
        "ddpm": (PriorGradScheduler, {}),
        # From the last training step on: at few steps, the default begins a good deal below it.
        "ddim": (prior_scheduler_class(diffusers.DDIMScheduler), {"timestep_spacing": "trailing"}),
        "dpm++": (
            prior_scheduler_class(diffusers.DPMSolverMultistepScheduler),
            {"algorithm_type": "dpmsolver++"},
        ),
        "sde-dpm++": (
            prior_scheduler_class(diffusers.DPMSolverMultistepScheduler),
            {"algorithm_type": "sde-dpmsolver++"},
        ),
        "unipc": (prior_scheduler_class(diffusers.UniPCMultistepScheduler), {}),
    }
)

# How another solver spaces its steps is its own affair. from_config of diffusers would take it over, but not
# where it is a default, so that a scheduler and the same one loaded from a file would have different solvers.
_SPACING = {"timestep_spacing", "steps_offset", "set_alpha_to_one"}


def with_solver(scheduler: Any, solver: str, **options: Any) -> Any:
    """The scheduler of a solver, for the noise levels, prediction type and model space of another scheduler.

    What the solver has no use for, such as another one's clipping, is left out.

    Args:
        scheduler: with the noise levels that the network was trained with.
        solver: "ddpm" (the paper's), "ddim", "dpm++" (DPM-Solver++ 2M, Lu et al., 2022), "sde-dpm++" (its
            stochastic version) or "unipc" (UniPC, Zhao et al., NeurIPS 2023).
        **options: of the solver's configuration, which are stronger than those of its name.

    Raises:
        ValueError: if there is no such solver, or no scheduler, or its noise levels are none that the solver
            can have.

    Example:
        >>> from priordiff import PriorGradScheduler
        >>> type(with_solver(PriorGradScheduler(beta_end=0.25), "unipc")).__name__
        'PriorGradUniPCMultistepScheduler'
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver={solver!r}, expected one of {', '.join(map(repr, SOLVERS))}")
    if scheduler is None:
        raise ValueError(f"solver={solver!r}, but there is no scheduler: the network is no diffusion")
    scheduler_class, of_name = SOLVERS[solver]
    options = {**of_name, **options}
    config = scheduler.config
    with_noise_levels(scheduler_class, config, options)  # refuses what the solver cannot have
    known = {*scheduler_class._get_init_keys(scheduler_class), "model_space"}
    if not isinstance(scheduler, scheduler_class):
        known -= _SPACING
    if "clip_sample" in known and "clip_sample" not in config:
        options.setdefault("clip_sample", False)  # DDIM clips by default what this scheduler does not
    usable = {name: value for name, value in config.items() if name in known or name.startswith("_")}
    if "_use_default_values" in usable:
        usable["_use_default_values"] = [name for name in usable["_use_default_values"] if name in usable]
    return scheduler_class.from_config(usable, **options)


def taking_prior(scheduler: Any) -> Any:
    """The scheduler itself if it takes a prior, else its sibling that does."""
    return scheduler if hasattr(scheduler, "set_prior") else with_prior(scheduler)


def checked_steps(scheduler: Any, num_inference_steps: int) -> int:
    """The number of sampling steps, if the scheduler has as many.

    Of as many as the training had, two of a multistep solver's may be the same one, and it would divide by
    the difference of their noise levels.

    Raises:
        ValueError: if it is not positive, or more than the steps of the training.
    """
    config = scheduler.config
    most = trained = config.get("num_train_timesteps", num_inference_steps)
    if "solver_order" in config and config.get("timestep_spacing") == "linspace":
        most = max(1, most - 1)
    if not isinstance(num_inference_steps, Integral) or not 1 <= num_inference_steps <= most:
        raise ValueError(
            f"num_inference_steps={num_inference_steps}, expected 1 to {most} after a training of {trained}"
        )
    return num_inference_steps
