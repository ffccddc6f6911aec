"""Every pipeline of the installed diffusers, and its code."""

from __future__ import annotations

import inspect
import re
from functools import cache

import diffusers
from diffusers import DiffusionPipeline

_FOUND = {name: getattr(diffusers, name) for name in sorted(dir(diffusers))}
PIPELINES: dict[str, type] = {
    name: value
    for name, value in _FOUND.items()
    if isinstance(value, type)
    and issubclass(value, DiffusionPipeline)
    and value.__module__.startswith("diffusers.")
    and value is not DiffusionPipeline
}


@cache
def code_of(name: str) -> str:
    """The code of the module that a pipeline is in, without strings in triple quotes and comments."""
    source = inspect.getsource(inspect.getmodule(PIPELINES[name]))  # type: ignore[arg-type]
    return re.sub(r"(?s:\"\"\".*?\"\"\")|#.*$", "", source, flags=re.MULTILINE)
