"""What a step found, which is looked at when it has come from the accelerator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

__all__ = ["StepValues"]

# Devices from which numbers come while the host goes on, and say when they are there.
_ASYNCHRONOUS = ("cuda",)


class StepValues:
    """Losses and gradients of a step, on their way to the host; made by all processes together.

    Args:
        accelerator: Knows the other processes.
        shares: What `accumulate_gradients` returned.
        gradient_norm: Norm of the gradients, before clipping, on the device.
        stop_requested: Whether this process is to stop.
        batches: The micro-batches.
        step: The step, counted from 1.
        learning_rate: That of the step.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        shares: Sequence[Mapping[str, Tensor]],
        gradient_norm: Tensor,
        stop_requested: bool,
        batches: Sequence[Any],
        step: int,
        learning_rate: float,
    ) -> None:
        self.step = step
        self._names, self._batches, self._learning_rate = list(shares[0]), batches, learning_rate
        flag = torch.full((), float(stop_requested), device=accelerator.device)
        mine = [torch.stack([share[name] for share in shares]).sum() for name in self._names]
        sums = accelerator.reduce(torch.stack([*mine, flag]), reduction="sum")
        finite = torch.stack([torch.stack(list(share.values())).isfinite().all() for share in shares])
        found = torch.cat([sums, gradient_norm.detach().reshape(1).to(sums), finite.to(sums.dtype)])
        self._event = None
        self._numbers = found.to("cpu", non_blocking=self.come_later(accelerator.device))
        if self.come_later(accelerator.device):
            self._event = torch.cuda.Event()
            self._event.record()

    @staticmethod
    def come_later(device: torch.device) -> bool:
        """Whether the host need not wait for the values of a step before it goes on with the next.

        Args:
            device: Where is trained.
        """
        return device.type in _ASYNCHRONOUS

    def arrived(self) -> StepValues:
        """The same with its numbers, once they are there.

        Returns:
            This object, which now has ``losses`` by name, their sum ``loss``, ``gradient_norm``, and
            ``stopping``, whether any process is to stop.
        """
        if self._event is not None:
            self._event.synchronize()
        count = len(self._names)
        *losses, stopping, self.gradient_norm = self._numbers[: count + 2].tolist()
        self.losses = dict(zip(self._names, losses, strict=True))
        self.loss = sum(losses)
        self.stopping = stopping > 0
        return self

    def problem(self, scaler: torch.amp.GradScaler | None) -> tuple[str, Sequence[Any]] | None:
        """Say what is wrong with the step.

        Args:
            scaler: Of the gradients, in fp16.

        Returns:
            What it is, and this process's micro-batches that may be the cause; None if all is well.
        """
        if not math.isfinite(self.loss):
            finite = self._numbers[len(self._names) + 2 :].tolist()
            blamed = [batch for batch, is_finite in zip(self._batches, finite, strict=True) if not is_finite]
            return f"the loss is {self.loss}", blamed
        # fp16 overflows now and then: its scaler skips the step and halves its scale.
        if math.isfinite(self.gradient_norm) or (scaler is not None and scaler.get_scale() > 1):
            return None
        return "the gradients aren't finite", self._batches

    def logged(self) -> dict[str, float]:
        """Values by name for the history of the run: those that are finite."""
        values = {
            "loss": self.loss,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self._learning_rate,
        }
        if len(self.losses) > 1:
            values |= {f"loss/{name}": value for name, value in self.losses.items()}
        return {name: value for name, value in values.items() if math.isfinite(value)}
