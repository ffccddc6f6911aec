"""Steps of a training, on the CPU and on an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from priordiff import DiagonalPrior
from priordiff.training import Draw, Trainer, TrainingConfig, step_values
from priordiff.training.data import make_loader
from tests.accelerator.simulated import DEVICE, SimulatedDevice, on_cpu, on_device
from tests.training.toy import Points, ToyTask

__all__ = ["QuietTask", "simulated_steps", "take_steps"]

_STEPS = 3


class _PointsWithNoise(Points):
    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        noise = torch.randn(6, generator=draw.generator("noise"))
        return {**super().__getitem__(draw), "noise": noise}


class QuietTask(ToyTask):
    """The toy, whose noise comes with its data, as that of the examples does."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout)
        self.dataset = _PointsWithNoise()

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        x = batch["x"]
        prior = DiagonalPrior(0.0, 0.1 + 0.0 * x)
        prediction = model((x + prior.color(batch["noise"])).unsqueeze(-1))
        error = (prediction[..., 0] - x.sin()) * batch["mask"]
        return {"sine": error.square().sum(), "first": (prediction[:, 0, 1] - x[:, 0]).abs().sum()}


def take_steps(
    task: Any, config: TrainingConfig, run_dir: Path, begun: Callable[[], object] = lambda: None
) -> Trainer:
    """The trainer of a task after a few steps, with nothing written; `begun` is called after the first."""
    trainer, stop = Trainer(task, config, run_dir), Mock(requested=False)
    for batch in make_loader(task.dataset, task.collate, trainer.order, 0, _STEPS):
        trainer._step([batch], stop)
        trainer._look(ahead=1)
        if trainer.state.progress.step == 1:
            begun()
    return trainer


def simulated_steps(
    task: Any, config: TrainingConfig, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[SimulatedDevice, dict[str, Tensor]]:
    """The same on the make-believe accelerator.

    Returns:
        That one, with where steps have waited for it since the first, and the weights.
    """
    PartialState()
    with monkeypatch.context() as patch, SimulatedDevice() as device:
        patch.setitem(PartialState._shared_state, "device", DEVICE)
        patch.setattr(step_values, "_ASYNCHRONOUS", (DEVICE.type,))
        patch.setattr(torch.cuda, "Event", Mock)
        task.model = on_device(task.model)
        if getattr(task, "estimator", None) is not None:
            task.estimator = on_device(task.estimator)
        try:
            trainer = take_steps(task, config, run_dir, begun=device.waits.clear)
        finally:
            AcceleratorState._reset_state()
    return device, on_cpu({name: p.detach() for name, p in trainer.task.model.named_parameters()})
