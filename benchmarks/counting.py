"""What a training step costs, counted from the real network on the meta device, where nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["StepCost", "cost_of_step"]


@dataclass(frozen=True)
class StepCost:
    """Of one forward and one backward pass.

    Attributes:
        parameters: how many there are.
        largest: parameters of the largest block, which FSDP gathers as one.
        flops: floating-point operations of matrix products and convolutions.
        traffic: bytes that operations read and write, each by itself, as without a compiler.
        operations: how many there are, each of which the processor starts by itself.
        activations: bytes that the forward pass keeps for the backward pass, beside the parameters.
    """

    parameters: int
    largest: int
    flops: float
    traffic: float
    operations: int
    activations: float


def cost_of_step(
    make: Callable[[], nn.Module], inputs: Mapping[str, tuple[int, ...]], device: str = "meta"
) -> StepCost:
    """Counts a step on some inputs, in float32.

    Args:
        make: makes the network, whose output is a tensor.
        inputs: shapes of its arguments.
        device: "meta", or another one, on which the step is taken.
    """
    with torch.device(device):
        network = make()
        arguments = {name: torch.zeros(shape) for name, shape in inputs.items()}
    blocks = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    sizes = [sum(p.numel() for p in block.parameters()) for each in blocks for block in each]
    kept: dict[int, int] = {}
    own = {p.untyped_storage()._cdata for p in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            # Alive until the backward pass, so that no other one gets its address.
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False) as flops, _Traffic() as traffic:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = network(**arguments).square().mean()
        loss.backward()
    return StepCost(
        sum(p.numel() for p in network.parameters()),
        max(sizes, default=0),
        float(flops.get_total_flops()),
        float(traffic.num_bytes),
        traffic.num_operations,
        float(sum(kept.values())),
    )


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of what each operation reads and writes."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.num_operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not (func.is_view or "detach" in func.name()):
            leaves = tree_leaves((args, kwargs, result))
            self.num_operations += 1
            self.num_bytes += sum(t.numel() * t.element_size() for t in leaves if isinstance(t, Tensor))
        return result
