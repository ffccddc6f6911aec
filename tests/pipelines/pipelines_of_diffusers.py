"""Every pipeline of the installed diffusers, and its code."""

from __future__ import annotations

import inspect
import re
from functools import cache

import diffusers
from diffusers import DiffusionPipeline


def _pipelines() -> dict[str, type]:
    found = {}
    for name in sorted(dir(diffusers)):
        try:
            value = getattr(diffusers, name)
        except (AttributeError, RuntimeError):  # a name without a class, or a library that is not installed
            continue
        is_pipeline = isinstance(value, type) and issubclass(value, DiffusionPipeline)
        if is_pipeline and value.__module__.startswith("diffusers.") and value is not DiffusionPipeline:
            found[name] = value
    return found


PIPELINES = _pipelines()


@cache
def code_of(name: str) -> str:
    """The code of the module that a pipeline is in, without strings in triple quotes and comments."""
    source = inspect.getsource(inspect.getmodule(PIPELINES[name]))  # type: ignore[arg-type]
    return re.sub(r"(?s:\"\"\".*?\"\"\")|#.*$", "", source, flags=re.MULTILINE)
