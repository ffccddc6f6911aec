"""Networks of which each process holds a shard (FSDP), beside those that each holds as a whole."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map_only

__all__ = [
    "copy_if_sharded",
    "gather",
    "gather_weights",
    "scatter",
    "scatter_optimizer",
    "scatter_weights",
    "shares_weights",
]


def copy_if_sharded(model: nn.Module, accelerator: Accelerator) -> nn.Module | None:
    """What is to be sharded, where processes share the weights: a copy, for the model itself stays whole.

    So a task can evaluate and export its model as ever, on the main process alone.

    Args:
        model: Of a task.
        accelerator: Says whether processes share the weights.

    Returns:
        The copy; None where each process has all weights.
    """
    return copy.deepcopy(model) if shares_weights(accelerator) else None


def shares_weights(accelerator: Accelerator) -> bool:
    """Whether processes share the weights, by the second version of FSDP."""
    return getattr(accelerator, "is_fsdp2", False)  # accelerate 1.6 and newer


def gather(tree: Any) -> Any:
    """Whole tensors on the CPU from shards; called by all processes together.

    Args:
        tree: Tensors in dicts, lists or tuples; what isn't sharded stays what it is.
    """
    return tree_map_only(DTensor, lambda shards: shards.full_tensor().cpu(), tree)


@torch.no_grad()
def gather_weights(model: nn.Module, sharded: nn.Module, averaged: Sequence[Tensor] | None = None) -> None:
    """Give a whole network the weights of a sharded one; called by all processes together.

    Args:
        model: The whole one, in place.
        sharded: Its copy.
        averaged: Tensors, sharded likewise, in the places of the parameters; None for the parameters.
    """
    weights = dict(sharded.state_dict())
    if averaged is not None:
        names = [name for name, _ in sharded.named_parameters()]
        weights.update(zip(names, averaged, strict=True))
    model.load_state_dict(gather(weights))


@torch.no_grad()
def scatter_weights(model: nn.Module, sharded: nn.Module) -> None:
    """Give a sharded network the weights of a whole one, which all processes have.

    Args:
        model: The whole one.
        sharded: Its copy, in place.
    """
    weights = model.state_dict()
    for name, weight in sharded.state_dict().items():
        weight.copy_(scatter(weights[name], weight))


def scatter_optimizer(state: dict[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """The state of an optimizer of sharded parameters from that of whole ones.

    Args:
        state: Its `state_dict`, gathered.
        parameters: That it optimises, in its order.
    """
    moments = {
        index: {name: scatter(value, parameters[index]) for name, value in each.items()}
        for index, each in state["state"].items()
    }
    return {**state, "state": moments}


def scatter(value: Any, like: Tensor) -> Any:
    """This process's shard of a whole tensor, as another one is sharded; called by all processes together.

    Args:
        value: The whole tensor; anything else, or one of another shape, stays what it is.
        like: Says which shard.
    """
    # An optimizer's count of steps is a number beside its moments.
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
