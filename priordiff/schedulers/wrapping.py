"""Methods with the signatures of those that they wrap: pipelines and configurations read them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["MODEL_SPACES", "check_model_space", "delegate", "init_with_model_space"]

MODEL_SPACES = ("centered", "data", "white")

# Before, torch.compile fails on a clamp under a mode, and loses the names that a method resumes with.
_COMPILES = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 7)


def check_model_space(model_space: str) -> str:
    """The model space, if it is one.

    Raises:
        ValueError: otherwise.
    """
    if model_space not in MODEL_SPACES:
        raise ValueError(f"model_space={model_space!r}, expected one of {', '.join(map(repr, MODEL_SPACES))}")
    return model_space


def delegate(owner: type, plain: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """A method that looks like `plain`, is it without a prior, and else calls `handler(self, plain, given)`.

    Args:
        owner: the class whose method `plain` is.
        plain: the method.
        handler: gets the arguments of the call by their names.
    """
    names = _parameters_of(owner, plain)
    if not _COMPILES:
        handler = torch.compiler.disable(handler)

    @functools.wraps(plain)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._is_plain():
            return plain(self, *args, **kwargs)
        if len(args) > len(names) or not kwargs.keys().isdisjoint(names[: len(args)]):
            plain(self, *args, **kwargs)  # raises the error that the method itself has for this
        # No `strict`: with it, torch.compile fails in torch 2.7 and 2.8.
        return handler(self, plain, {**dict(zip(names, args)), **kwargs})  # noqa: B905

    return method


def _parameters_of(owner: type, method: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a method's parameters, from the class that last named them all."""
    overridden = [vars(base)[method.__name__] for base in owner.__mro__ if method.__name__ in vars(base)]
    for function in overridden or [method]:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        if not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
            break
    return tuple(each.name for each in parameters)


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
