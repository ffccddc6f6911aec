"""How pipelines are loaded, and what makes them sound the same then."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TypeVar

from diffusers import DiffusionPipeline
from torch import nn

__all__ = ["align_memory", "load_pipeline"]

_Pipeline = TypeVar("_Pipeline", bound=DiffusionPipeline)

_ALIGNMENT = 64  # bytes, of the memory that PyTorch allocates


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


def load_pipeline(pipeline_class: type[_Pipeline], folder: Path, **components: nn.Module) -> _Pipeline:
    """Loads a saved pipeline, to compute in float32 whatever its weights are stored in.

    The other way of diffusers needs Accelerate, which comes with training, and warns where it is missing.

    Args:
        pipeline_class: the class of the pipeline.
        folder: in which it was saved.
        components: that take the place of those in the folder.

    Raises:
        OSError: if it is not there, or can't be read.
    """
    return pipeline_class.from_pretrained(folder, low_cpu_mem_usage=False, **components)
