"""What a call of a pipeline does with an estimator."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from priordiff.fine_tuning import PriorAdapterMixin
from priordiff.priors import GaussianPrior
from priordiff.schedulers import PriorSchedulerMixin

__all__ = ["PriorPerCall", "names_of_arguments", "origin_of"]

_lock = threading.Lock()
_in_use: set[int] = set()  # the ids of the schedulers of all calls that are running


class PriorPerCall:
    """In front of a pipeline's class: every call sets the prior of its own arguments."""

    scheduler: Any
    _prior_estimator: Callable[..., GaussianPrior] | None = None

    # Only this frame is not compiled: the pipeline's own call is, as far as it is without a prior.
    @torch.compiler.disable(recursive=False)  # type: ignore[untyped-decorator]
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The pipeline's call, under the prior that the estimator makes of its arguments."""
        plain = super().__call__  # type: ignore[misc]
        if self._prior_estimator is None:  # made by from_pipe: the scheduler says if it misses a prior
            return plain(*args, **kwargs)
        if not isinstance(self.scheduler, PriorSchedulerMixin):
            raise ValueError(
                f"the pipeline's scheduler was replaced by a plain {type(self.scheduler).__name__}: give it "
                "with_prior(scheduler), or call apply_prior again"
            )
        signature, names = inspect.signature(self.__call__), names_of_arguments(self._prior_estimator)
        of_estimator_alone = set(names) & kwargs.keys() - signature.parameters.keys()
        extra = {name: kwargs.pop(name) for name in of_estimator_alone}
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        prior = _prior_of(self._prior_estimator, names, {**call.arguments, **extra})
        prior = _in_precision_of(self, prior.to(self._execution_device))  # type: ignore[attr-defined]
        for part in self.components.values():  # type: ignore[attr-defined]
            if isinstance(part, PriorAdapterMixin):
                part.follow(self.scheduler)
        with _prior_for_call(self.scheduler, prior, origin_of(self._prior_estimator)):
            return plain(*call.args, **call.kwargs)


def names_of_arguments(estimator: Callable[..., Any]) -> list[str]:
    """The arguments of a call that an estimator asks for.

    Args:
        estimator: a `PriorEstimator`, or a function.

    Raises:
        ValueError: if it does not name them.
    """
    function = estimator.forward if isinstance(estimator, nn.Module) else estimator
    parameters = inspect.signature(function).parameters.values()
    unnamed = [each.name for each in parameters if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if unnamed:
        raise ValueError(
            f"the estimator's arguments {unnamed} have no names of their own: name the arguments of the call "
            "that it needs, e.g. forward(self, prompt)"
        )
    return [each.name for each in parameters]


def origin_of(estimator: Callable[..., Any]) -> str:
    """Where a pipeline's priors come from, for its scheduler to remember.

    Args:
        estimator: that of the pipeline.
    """
    return f"apply_prior(pipe, {getattr(estimator, '__name__', type(estimator).__name__)})"


def _prior_of(estimator: Any, names: list[str], arguments: dict[str, Any]) -> GaussianPrior:
    """The estimator's prior, for each of the results that are made of each prompt."""
    prior = estimator(**{name: arguments[name] for name in names if name in arguments})
    if not isinstance(prior, GaussianPrior):
        raise ValueError(f"the estimator returned a {type(prior).__name__}, expected a GaussianPrior")
    for name, number in arguments.items():
        per_item = name.startswith("num_") and name.endswith("_per_prompt") and name not in names
        if per_item and number and prior.batch_size > 1:
            prior = prior.repeat_interleave(number)
    return prior


def _in_precision_of(pipe: Any, prior: GaussianPrior) -> GaussianPrior:
    """The prior, at least as precise as the pipeline's networks."""
    networks = [each for each in pipe.components.values() if isinstance(each, nn.Module)]
    dtypes: list[torch.dtype] = [getattr(each, "dtype", torch.int8) for each in networks]
    theirs = [dtype for dtype in dtypes if dtype.is_floating_point]
    return prior.to(max([prior.mean.dtype, *theirs], key=lambda dtype: torch.finfo(dtype).bits))


@contextmanager
def _prior_for_call(scheduler: Any, prior: GaussianPrior, origin: str) -> Iterator[None]:
    """Gives a scheduler the prior of a call, and afterwards the one that it had before."""
    with _lock:
        if id(scheduler) in _in_use:
            raise RuntimeError(
                "another call of this pipeline is running, and its scheduler holds one prior at a time: give "
                "each thread a pipeline of its own, apply_prior(copy.copy(pipe), estimator)"
            )
        _in_use.add(id(scheduler))
    previous = scheduler.prior
    try:
        scheduler.set_prior(prior)
        yield
    finally:
        scheduler.set_prior(previous)
        if previous is None:
            scheduler.expect_prior(origin)
        _in_use.remove(id(scheduler))
