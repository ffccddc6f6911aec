"""A sibling with a prior for every scheduler of diffusers."""

from __future__ import annotations

import copy
import inspect
from functools import cache
from typing import Any

import diffusers.schedulers
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from priordiff.schedulers.affine import PriorSchedulerMixin
from priordiff.schedulers.wrapping import check_model_space

__all__ = ["prior_scheduler_class", "prior_scheduler_named", "refusal", "scheduler_classes", "with_prior"]

_PREFIX = "PriorGrad"
_SEVERAL_OUTPUTS = {"PiflowScheduler": "a grid of velocities for the substeps of each step"}


def with_prior(scheduler: Any, model_space: str | None = None) -> Any:
    r"""The sibling of a scheduler that takes a prior.

    It is an instance of the scheduler's own class and of `PriorSchedulerMixin`, with the same signatures,
    configuration and state. Without a prior it returns bit for bit what the scheduler returns; with one it
    steps on $z = L^{-1}(x - \mu)$ (Lee et al., ICLR 2022; see `PriorSchedulerMixin`).

    Args:
        scheduler: any scheduler of continuous states, of diffusers or your own. It stays as it is.
        model_space: what the network sees and writes: "centered", "data" or "white"; by default what the
            scheduler's configuration says, else "centered".

    Returns:
        A scheduler of the class `priordiff.PriorGrad…`, e.g. `priordiff.PriorGradDDIMScheduler`.

    Raises:
        TypeError: if it is not a scheduler, or one over discrete tokens or with several outputs.
        ValueError: if the model space is unknown.

    Example:
        >>> from diffusers import DPMSolverMultistepScheduler
        >>> from priordiff import DiagonalPrior
        >>> scheduler = with_prior(DPMSolverMultistepScheduler())
        >>> isinstance(scheduler, DPMSolverMultistepScheduler), type(scheduler).__name__
        (True, 'PriorGradDPMSolverMultistepScheduler')
        >>> scheduler.set_prior(DiagonalPrior(mean=0.0, std=0.1))
    """
    sibling: Any
    if isinstance(scheduler, PriorSchedulerMixin):
        sibling = copy.deepcopy(scheduler)
    else:
        sibling = _new_sibling(type(scheduler))
        for name, value in copy.deepcopy(vars(scheduler)).items():
            setattr(sibling, name, value)
    if model_space is not None:
        sibling.register_to_config(model_space=check_model_space(model_space))
    return sibling


@cache
def prior_scheduler_class(plain: Any) -> Any:
    """The class of the siblings of a scheduler class.

    Args:
        plain: a scheduler class, of diffusers or your own.

    Raises:
        TypeError: if it is not a scheduler class, or one over discrete tokens or with several outputs.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> prior_scheduler_class(DDIMScheduler).__name__
        'PriorGradDDIMScheduler'
    """
    reason = refusal(plain)
    if reason is not None:
        raise TypeError(f"{getattr(plain, '__name__', plain)} cannot have a Gaussian prior: {reason}")
    # The package's __getattr__ finds the class under this name, when a pipeline or a pickle is loaded.
    members = {
        "__module__": "priordiff",
        "__doc__": f"`{plain.__name__}` under any Gaussian prior; see `priordiff.with_prior`.",
        "__reduce__": _reduce,
    }
    return type(_PREFIX + plain.__name__, (PriorSchedulerMixin, plain), members)


def prior_scheduler_named(name: str) -> Any:
    """The class `PriorGrad…` for a scheduler of diffusers, by its name.

    Raises:
        AttributeError: if diffusers has no such scheduler, or it cannot have a prior; the message says why.
    """
    is_ours = name.startswith(_PREFIX) and name.endswith("Scheduler")
    plain = getattr(diffusers.schedulers, name.removeprefix(_PREFIX), None) if is_ours else None
    if plain is None:
        raise AttributeError(f"module 'priordiff' has no attribute {name!r}")
    try:
        return prior_scheduler_class(plain)
    except TypeError as error:
        raise AttributeError(f"priordiff has no {name}: {error}") from error


def scheduler_classes() -> dict[str, type]:
    """Every scheduler class that the installed diffusers has, by name.

    Those that need a library which is not installed (torchsde, scipy) are missing.
    """
    found = {name: getattr(diffusers.schedulers, name) for name in dir(diffusers.schedulers)}
    return {
        name: value
        for name, value in sorted(found.items())
        if isinstance(value, type) and issubclass(value, SchedulerMixin) and value is not SchedulerMixin
    }


def refusal(plain: Any) -> str | None:
    """Why a class can have no sibling with a prior; None if it can."""
    if not (isinstance(plain, type) and issubclass(plain, SchedulerMixin) and issubclass(plain, ConfigMixin)):
        backends = getattr(plain, "_backends", None)
        if backends:
            return f"it needs what is not installed; run `pip install {' '.join(backends)}`"
        return "it is not a scheduler class of diffusers (SchedulerMixin and ConfigMixin)"
    step = getattr(plain, "step", getattr(plain, "step_pred", None))
    if step is None:
        return "it has no method `step`"
    state = inspect.signature(step).parameters.get("sample")
    if state is not None and "LongTensor" in str(state.annotation):
        return "its states are discrete tokens, of which a Gaussian is no distribution"
    if plain.__name__ in _SEVERAL_OUTPUTS:
        return f"its network predicts {_SEVERAL_OUTPUTS[plain.__name__]}, not one tensor like the sample"
    return None


def _reduce(self: Any) -> tuple[Any, ...]:
    return _new_sibling, (self.plain_class,), vars(self)


def _new_sibling(plain: type) -> Any:
    sibling_class = prior_scheduler_class(plain)
    return sibling_class.__new__(sibling_class)
