"""What tests on a real accelerator share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

__all__ = ["assert_close", "found", "moved", "no_waits"]


def found() -> torch.device | None:
    """The accelerator of this machine, if there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps", 0) if torch.backends.mps.is_available() else None


def moved(value: Any, device: torch.device) -> Any:
    """Modules and tensors in containers, on a device."""
    return tree_map(lambda each: each.to(device) if isinstance(each, Tensor | nn.Module) else each, value)


def assert_close(ours: Any, theirs: Any, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    """Equality to the rounding of float32, of tensors in containers, on whatever devices."""
    cpu = torch.device("cpu")
    torch.testing.assert_close(moved(ours, cpu), moved(theirs, cpu), rtol=rtol, atol=atol)


@contextmanager
def no_waits() -> Iterator[None]:
    """Whatever waits for a GPU of NVIDIA or AMD is an error."""
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
