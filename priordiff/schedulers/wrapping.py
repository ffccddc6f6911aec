"""Methods with the signatures of those that they wrap: pipelines and configurations read them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["MODEL_SPACES", "by_name", "check_model_space", "delegate", "init_with_model_space"]

MODEL_SPACES = ("centered", "data", "white")


def check_model_space(model_space: str) -> str:
    """The model space, if it is one.

    Raises:
        ValueError: otherwise.
    """
    if model_space not in MODEL_SPACES:
        raise ValueError(f"model_space={model_space!r}, expected one of {', '.join(map(repr, MODEL_SPACES))}")
    return model_space


@functools.cache
def _parameters_of(owner: type, method: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a method's parameters, from the class that last named them all."""
    overridden = [vars(base)[method.__name__] for base in owner.__mro__ if method.__name__ in vars(base)]
    for function in overridden or [method]:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        if not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
            break
    return tuple(each.name for each in parameters)


def by_name(
    owner: type, method: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call of a method, without the first (`self`), by their names.

    Args:
        owner: the class that the method belongs to, some base of which names the parameters.
        method: the method.
        args: arguments by place.
        kwargs: arguments by name.

    Raises:
        TypeError: if there are too many, or one twice.
    """
    names = _parameters_of(owner, method)
    if len(args) > len(names) or not kwargs.keys().isdisjoint(names[: len(args)]):
        method(None, *args, **kwargs)  # raises the error that the method itself has for this
    return {**dict(zip(names, args, strict=False)), **kwargs}


def delegate(plain: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """A method that looks like `plain` and calls `handler(self, plain, args, kwargs)`."""

    @functools.wraps(plain)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return handler(self, plain, args, kwargs)

    return method


def init_with_model_space(plain: Callable[..., None]) -> Callable[..., None]:
    """The `__init__` of a scheduler, with the keyword `model_space` besides, which goes to its config."""

    @functools.wraps(plain)
    def __init__(self: Any, *args: Any, model_space: str = "centered", **kwargs: Any) -> None:
        check_model_space(model_space)
        plain(self, *args, **kwargs)
        # The default is not written down, so that the configuration stays one of the plain scheduler.
        if model_space != "centered":
            self.register_to_config(model_space=model_space)

    signature = inspect.signature(plain)
    parameters = list(signature.parameters.values())
    keyword = inspect.Parameter(
        "model_space", inspect.Parameter.KEYWORD_ONLY, default="centered", annotation="str"
    )
    place = len(parameters) - any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    parameters.insert(place, keyword)
    __init__.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return __init__
