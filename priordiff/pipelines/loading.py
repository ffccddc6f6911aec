"""What makes a pipeline of this library load like one of diffusers, and sound the same when it is loaded."""

from __future__ import annotations

from itertools import chain
from typing import TypeVar

import diffusers
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES
from torch import nn

__all__ = ["align_memory", "loadable_by_diffusers"]

_ALIGNMENT = 64  # bytes, of the memory that PyTorch allocates

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


def align_memory(module: nn.Module) -> None:
    """Moves tensors that lie at odd addresses to memory of PyTorch's own.

    Weights read from a safetensors file stay where they lie in the file, and a CPU's kernels round
    differently there: without this a loaded pipeline would agree with the saved one to 1e-7, not bit for bit.

    Args:
        module: the module whose parameters and buffers are moved, in place.
    """
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.data.clone()
