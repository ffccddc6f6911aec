"""A make-believe accelerator: what mixes devices on it is an error, and what waits for it is written down.

Its tensors say that they are on the device `meta`, which no test has otherwise, and hold their values on the
CPU. So results can be compared with those of the CPU bit for bit, gradients included.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import priordiff

__all__ = ["DEVICE", "MixedDevices", "SimulatedDevice", "on_cpu", "on_device"]

DEVICE = torch.device("meta")

_REAL = {name: getattr(torch, name) for name in ("autocast", "is_autocast_enabled", "tensor", "as_tensor")}
_PACKAGE = Path(priordiff.__file__).parent
# Whose results are numbers on the host, or tensors of a size that depends on values.
_WAIT_ALWAYS = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "_unique2",
    "unique_dim",
    "linalg_eigh",
    "_linalg_eigh",
    "_linalg_check_errors",
}
_COPIES = {"_to_copy", "copy_", "copy"}
# Which take indices, or places, that lie on the CPU.
_TAKE_CPU_INDICES = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}


class MixedDevices(RuntimeError):
    """An operation on tensors of two devices."""


class OnDevice(torch.Tensor):
    """A tensor on the make-believe accelerator, with its values on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        # The wrapper would not know of a conjugation or a sign that is put off.
        made.held = held.detach().resolve_conj().resolve_neg()
        return made

    def tolist(self) -> Any:
        return self.cpu().tolist()  # that of torch refuses subclasses

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnDevice({self.held!r})"

    @classmethod
    def __torch_dispatch__(
        cls,
        function: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _run(function, args, dict(kwargs or {}), None)


class SimulatedDevice(TorchDispatchMode):
    """Context with a make-believe accelerator.

    Attributes:
        waits: how many times something waited for it: "file:function" of the package, "diffusers" or
            "outside".
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self._stack = ExitStack()

    def __enter__(self) -> SimulatedDevice:
        # What doesn't know the device, or makes tensors where no mode sees it.
        for function in (_autocast, _is_autocast_enabled, _tensor, _as_tensor):
            self._stack.enter_context(patch.object(torch, function.__name__.removeprefix("_"), function))
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        self._stack.close()

    def __torch_dispatch__(
        self,
        function: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _run(function, args, dict(kwargs or {}), self.waits)


def on_device(value: Any) -> Any:
    """Tensors in containers, or a copy of a module, on the make-believe accelerator."""
    if isinstance(value, nn.Module):
        moved = copy.deepcopy(value)
        for module in moved.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = nn.Parameter(OnDevice(parameter.data), parameter.requires_grad)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = OnDevice(buffer)
        return moved
    return tree_map(lambda each: OnDevice(each) if isinstance(each, Tensor) else each, value)


def on_cpu(value: Any) -> Any:
    """Tensors in containers, brought back without being seen."""
    return tree_map(lambda each: each.held if isinstance(each, OnDevice) else each, value)


def _run(function: Any, args: Sequence[Any], kwargs: dict[str, Any], waits: Counter[str] | None) -> Any:
    name = function.overloadpacket.__name__
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = any(isinstance(each, OnDevice) for each in tensors)
    device = kwargs.get("device")
    goes_there = device is not None and torch.device(device).type == DEVICE.type
    stays = goes_there or (there and device is None)
    if stays:
        _check_devices(function, name, args, kwargs, tensors)
        if goes_there:
            kwargs["device"] = torch.device("cpu")
    if waits is not None and _waits(name, args, kwargs, there, stays):
        waits[_place()] += 1
    result = function(*on_cpu(tuple(args)), **on_cpu(kwargs))
    if name.endswith("_"):  # in place
        return None if result is None else args[0]
    if "out" in kwargs:
        return kwargs["out"]
    if not stays:
        return result
    return tree_map(lambda each: OnDevice(each) if isinstance(each, Tensor) else each, result)


def _check_devices(
    function: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], tensors: Sequence[Tensor]
) -> None:
    generator = kwargs.get("generator")
    if generator is not None:
        raise MixedDevices(f"{function}: expected a generator on {DEVICE}, found one on {generator.device}")
    if name in _COPIES:
        return
    if name in _TAKE_CPU_INDICES and isinstance(args[0], OnDevice):
        tensors = [each for each in tree_leaves(args[2:]) if isinstance(each, Tensor)]
    # As on real ones, numbers may lie anywhere.
    strangers = [each for each in tensors if not isinstance(each, OnDevice) and each.dim()]
    if strangers and any(isinstance(each, OnDevice) for each in tensors):
        shapes = ", ".join(str(tuple(each.shape)) for each in strangers)
        raise MixedDevices(f"{function}: tensors on {DEVICE}, and on the CPU one of shape {shapes}")


def _waits(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], there: bool, stays: bool) -> bool:
    """Whether an operation makes the host wait, as `torch.cuda.set_sync_debug_mode` has it."""
    if name in _COPIES:
        sides = {isinstance(each, OnDevice) for each in args if isinstance(each, Tensor)}
        crosses = len(sides) == 2 or (name == "_to_copy" and there != stays)
        blocking = not kwargs.get("non_blocking", args[2] if name == "copy_" and len(args) > 2 else False)
        return crosses and blocking
    if name in _TAKE_CPU_INDICES and there:
        indices = [each for each in args[1] if each is not None]
        is_mask = any(each.dtype in (torch.bool, torch.uint8) for each in indices)
        is_fill = name != "index" and args[2].numel() == 1
        return any(not isinstance(each, OnDevice) for each in indices) or (is_mask and not is_fill)
    return there and name in _WAIT_ALWAYS


def _place() -> str:
    """What is at work: "file:function" of the package, "diffusers", or "outside"."""
    frame = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        # A mode for functions of torch hands on what others call.
        if _PACKAGE in path.parents and frame.f_code.co_name != "__torch_function__":
            return f"{path.stem}:{frame.f_code.co_name}"
        if "diffusers" in path.parts:
            return "diffusers"
        frame = frame.f_back  # type: ignore[assignment]
    return "outside"


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
    return nullcontext() if device_type == DEVICE.type else _REAL["autocast"](device_type, *args, **kwargs)


def _is_autocast_enabled(device_type: str = "cuda") -> bool:
    return device_type != DEVICE.type and _REAL["is_autocast_enabled"](device_type)


def _tensor(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
    there = device is not None and torch.device(device).type == DEVICE.type
    made = _REAL["tensor"](data, *args, device=None if there else device, **kwargs)
    return made.to(DEVICE) if there else made


def _as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    there = device is not None and torch.device(device).type == DEVICE.type
    if there and not isinstance(data, Tensor):
        return _REAL["as_tensor"](data, dtype=dtype).to(DEVICE)
    return (
        data.to(device=device, dtype=dtype) if there else _REAL["as_tensor"](data, dtype=dtype, device=device)
    )
