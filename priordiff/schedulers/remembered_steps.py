"""Lists of sampling steps that a configuration holds, one for each number of steps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from diffusers.configuration_utils import FrozenDict

from priordiff.schedulers.configurations import keeping_entry

__all__ = ["RemembersSteps", "list_arguments", "with_remembered_steps"]

_ENTRY = "inference_steps"
_LISTS = ("betas", "timesteps", "sigmas")


class RemembersSteps:
    """A scheduler that knows for some numbers of steps which ones these shall be.

    Lists of steps are arguments of `set_timesteps`, and so neither saved nor given by a pipeline, which tells
    a number. With the entry `inference_steps` of the configuration such a number stands for a list. It is
    kept by the name of the class: what is good steps for one solver is not for another.
    """

    _internal_dict: Any

    def remember_steps(self, steps: Sequence[float], argument: str | None = None) -> None:
        """Makes `set_timesteps(len(steps))` choose these steps, also once the scheduler is saved and loaded.

        Args:
            steps: what `set_timesteps` takes: increasing betas, or decreasing timesteps or sigmas.
            argument: which of the three; by default the first that it takes in this order.

        Raises:
            ValueError: if the scheduler takes no such list, or not this one.

        Example:
            >>> from priordiff import PriorGradScheduler
            >>> scheduler = PriorGradScheduler()
            >>> scheduler.remember_steps([0.001, 0.05, 0.5])
            >>> again = PriorGradScheduler.from_config(scheduler.config)
            >>> again.set_timesteps(3)
            >>> [round(t, 1) for t in again.timesteps.tolist()]
            [37.4, 9.5, 0.8]
        """
        known = list_arguments(type(self))
        if not known or argument not in (None, *known):
            raise ValueError(
                f"argument={argument!r}, expected one of what set_timesteps of {type(self).__name__} takes: "
                f"{', '.join(known) or 'no list at all'}"
            )
        given = {argument or known[0]: [float(each) if each % 1 else int(each) for each in steps]}
        self.set_timesteps(**given)  # type: ignore[attr-defined] # an error if it is no list of steps
        everything = {**self._internal_dict.get(_ENTRY, {})}
        own = {**everything.get(type(self).__name__, {}), str(len(steps)): given}
        entry = {_ENTRY: {**everything, type(self).__name__: own}}
        self._internal_dict = FrozenDict({**self._internal_dict, **entry})

    @classmethod
    def extract_init_dict(cls, config_dict, **kwargs):  # type: ignore[no-untyped-def] # diffusers' signature
        """Keeps the entry."""
        return keeping_entry(_ENTRY, super().extract_init_dict, config_dict, kwargs)  # type: ignore[misc]


def list_arguments(scheduler_class: type) -> tuple[str, ...]:
    """Which lists of steps the `set_timesteps` of a class takes: of "betas", "timesteps" and "sigmas".

    Args:
        scheduler_class: a class of schedulers.
    """
    method = getattr(scheduler_class, "set_timesteps", None)
    parameters = inspect.signature(method).parameters if method is not None else {}
    return tuple(name for name in _LISTS if name in parameters)


def with_remembered_steps(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`set_timesteps` that puts the list which is remembered in the place of a number of steps.

    Args:
        plain: the method, whose signature it has.
    """

    @functools.wraps(plain)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        remembered = self._internal_dict.get(_ENTRY, {}).get(type(self).__name__)
        if not remembered:
            return plain(self, *args, **kwargs)
        call = inspect.signature(plain).bind(self, *args, **kwargs)
        given = call.arguments
        steps = remembered.get(str(given.get("num_inference_steps")))
        if steps is None or any(given.get(name) is not None for name in _LISTS):
            return plain(self, *args, **kwargs)
        del given["num_inference_steps"]
        given.update(steps)
        return plain(*call.args, **call.kwargs)

    return set_timesteps
