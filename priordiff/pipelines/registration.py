"""What lets `DiffusionPipeline.from_pretrained` find the pipelines of another library."""

from __future__ import annotations

from typing import TypeVar

import diffusers
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES

__all__ = ["loadable_by_diffusers"]

PipelineClass = TypeVar("PipelineClass", bound=type[diffusers.DiffusionPipeline])


def loadable_by_diffusers(pipeline_class: PipelineClass) -> PipelineClass:
    """Class decorator: makes `DiffusionPipeline.from_pretrained` load such a pipeline.

    diffusers looks a saved pipeline's class up by name among its own attributes. A component's library is
    saved under its top-level name only if diffusers lists it, and else under the module that it happens to be
    in.

    Args:
        pipeline_class: a subclass of `DiffusionPipeline`.
    """
    setattr(diffusers, pipeline_class.__name__, pipeline_class)
    LOADABLE_CLASSES.setdefault("priordiff", {})
    return pipeline_class
