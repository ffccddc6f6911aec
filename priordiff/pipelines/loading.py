"""What makes a pipeline sound the same when it is loaded."""

from __future__ import annotations

from itertools import chain

from torch import nn

__all__ = ["align_memory"]

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
