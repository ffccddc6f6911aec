"""Exact gradients of a step's loss, however its batch is split."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, send_to_device
from torch import Tensor, nn

from priordiff.training.data import Draw
from priordiff.training.sharding import shares_weights
from priordiff.training.task import TrainingTask
from priordiff.value_checks import without_value_checks

__all__ = ["TrainingDivergedError", "accumulate_gradients", "divergence_error", "global_counts"]

_NAMES_SHOWN = 8


class TrainingDivergedError(ArithmeticError):
    """The loss, the gradients or the weights are infinite or not a number.

    Args:
        message: One line for the user.
        step: Step in which it was found, counted from 1.
        names: Samples of that step.
        gradient_norm: Norm of its gradients.
    """

    def __init__(self, message: str, step: int, names: Sequence[str], gradient_norm: float) -> None:
        super().__init__(message)
        self.step = step
        self.names = list(names)
        self.gradient_norm = gradient_norm


def global_counts(accelerator: Accelerator, task: TrainingTask, batches: Sequence[Any]) -> dict[str, Tensor]:
    """Number of elements of each loss in the whole batch of a step.

    Args:
        accelerator: Knows the other processes.
        task: What is trained.
        batches: This process's micro-batches, on the CPU.

    Returns:
        Counts by name, at least 1, summed over micro-batches and processes, on the device.
    """
    counts = [task.loss_counts(batch) for batch in batches]
    names = sorted(counts[0])
    local = torch.tensor([sum(c[name] for c in counts) for name in names])
    totals = accelerator.reduce(local.to(accelerator.device, non_blocking=True), reduction="sum")
    return dict(zip(names, totals.clamp(min=1).unbind(), strict=True))


def accumulate_gradients(
    accelerator: Accelerator,
    task: TrainingTask,
    model: nn.Module,
    batches: Sequence[Any],
    draws: Sequence[Sequence[Draw]],
) -> list[dict[str, Tensor]]:
    r"""Backpropagate $\sum_k S_k / N_k$ of the whole batch of a step.

    Args:
        accelerator: Scales and averages gradients.
        task: What is trained.
        model: Its model, prepared by the accelerator.
        batches: This process's micro-batches, on the CPU.
        draws: Their samples.

    Returns:
        For each micro-batch its share of each loss $S_k / N_k$, without graph.

    Raises:
        ValueError: If processes share the weights, and the network returns no tensors.
    """
    totals = global_counts(accelerator, task, batches)
    shares = []
    for number, (batch, samples) in enumerate(zip(batches, draws, strict=True), start=1):
        last = number == len(batches)
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            batch = send_to_device(batch, accelerator.device, non_blocking=True)
            with without_value_checks(accelerator.device.type != "cpu"):
                sums = task.loss_sums(model, batch, [draw.generator("noise") for draw in samples])
            share = {name: sums[name].float() / total for name, total in totals.items()}
            # Gradients are averaged over processes, while shares add up.
            accelerator.backward(sum(share.values()) * accelerator.num_processes)
        shares.append({name: value.detach() for name, value in share.items()})
    # FSDP waits for the gradients of the tensors that a network returns, and passes over anything else.
    if shares_weights(accelerator) and all(p.grad is None for p in model.parameters()):
        raise ValueError(
            f"no weight of {type(task.model).__name__} has a gradient: where processes share weights, a "
            "network must return tensors, in dicts, lists or tuples; train it without --use_fsdp"
        )
    return shares


def divergence_error(
    what: str, names: Sequence[str], step: int, gradient_norm: float, checkpoint: Path | None
) -> TrainingDivergedError:
    """Error that names the samples of a step gone wrong; called by all processes together.

    Args:
        what: What is wrong.
        names: This process's samples that may be the cause.
        step: The step, counted from 1.
        gradient_norm: Norm of its gradients.
        checkpoint: The last good checkpoint, if any.

    Returns:
        The error, to be raised.
    """
    names = gather_object(list(names))
    shown = ", ".join(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        shown += f" and {len(names) - _NAMES_SHOWN} more"
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been saved"
    message = f"{what} in step {step} (gradient norm {gradient_norm:.4g}) on {shown}; {kept}"
    return TrainingDivergedError(message, step, names, gradient_norm)
