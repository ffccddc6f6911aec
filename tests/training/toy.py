"""A tiny task for the tests of the training loop, and ways to run it in processes that may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor
from safetensors.torch import load_file, save_file
from torch import nn

from priordiff.training import Draw, Evaluation, Trainer, TrainingConfig, checkpoints, load_config, precision


def toy_training() -> TrainingConfig:
    return TrainingConfig(
        seed=3,
        num_steps=8,
        batch_size=4,
        learning_rate=1e-2,
        lr_scheduler="cosine",
        lr_warmup_steps=2,
        mixed_precision="no",
        ema_decay=0.9,
        log_every=3,
        evaluate_every=3,
        checkpoint_every=2,
        trackers=[],
    )


@dataclass
class ToyConfig:
    training: TrainingConfig = field(default_factory=toy_training)
    dropout: float = 0.0


class Points:
    """Items are points on a line and a mask of unequal length, cropped at random."""

    def __len__(self) -> int:
        return 11

    def __getitem__(self, draw: Draw) -> dict[str, torch.Tensor]:
        line = torch.linspace(-1, 1, 20) * (1 + draw.index)
        start = int(torch.randint(0, 14, (), generator=draw.generator("crop")))
        mask = (torch.arange(6) <= draw.index % 6).float()
        return {"x": line[start : start + 6], "mask": mask, "index": torch.tensor(draw.index)}


class ToyTask:
    """Predict a noisy point's sine over unmasked points, and the line's first point."""

    def __init__(
        self, dropout: float = 0.0, nan_at: int = 0, signal_at: int = 0, signal_number: int = 0
    ) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = nn.Sequential(
            nn.Linear(1, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 2)
        )
        self.dataset = Points()
        self.nan_at, self.signal_at, self.signal_number = nan_at, signal_at, signal_number
        self.calls = 0
        self.evaluated: list[int] = []

    def collate(self, items: list[Any]) -> dict[str, torch.Tensor]:
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}

    def loss_counts(self, batch: dict[str, torch.Tensor]) -> dict[str, int]:
        return {"sine": int(batch["mask"].sum()), "first": len(batch["x"])}

    def loss_sums(self, model, batch, generators):
        self.calls += 1
        if self.calls == self.signal_at:
            os.kill(os.getpid(), self.signal_number)
        x = batch["x"]
        noise = randn_tensor(x.shape, generator=list(generators), device=x.device)
        prediction = model((x + 0.1 * noise).unsqueeze(-1))
        error = (prediction[..., 0] - x.sin()).square() * batch["mask"]
        if self.calls == self.nan_at:
            error = error * float("nan")
        return {"sine": error.sum(), "first": (prediction[:, 0, 1] - x[:, 0]).abs().sum()}

    def evaluate(self, step: int) -> Evaluation:
        assert not self.model.training
        self.evaluated.append(step)
        x = torch.randn(5, 1).to(next(self.model.parameters()).device)
        self.weights_evaluated = [p.clone() for p in self.model.parameters()]
        error = (self.model(x) - x.sin()).abs().mean()
        return Evaluation(
            {"error": float(error)},
            audio={"wave": x[:, 0].clamp(-1, 1)},
            images={"spectrum": torch.zeros(4, 4, 3, dtype=torch.uint8).numpy()},
        )

    def names(self, batch: dict[str, torch.Tensor]) -> list[str]:
        return [f"point-{index}.wav" for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        save_file(self.model.state_dict(), directory / "weights.safetensors")


def train(run_dir: Path, *overrides: str, resume: bool = False, **faults: int) -> ToyTask:
    """Train the toy with ``key=value`` overrides of its configuration."""
    config = load_config(ToyConfig, overrides=overrides)
    task = ToyTask(config.dropout, **faults)
    Trainer(task, config.training, run_dir, config).fit(resume)
    return task


def pretend_cost(monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
    """Say what the measurement of bfloat16 finds, in a new process as it were."""
    monkeypatch.setattr(precision, "bfloat16_cost", lambda: cost)
    precision._warn_if_emulated.cache_clear()


def final_state(run_dir: Path) -> dict[str, Any]:
    """Everything in the last checkpoint, flat, and the export."""
    latest = checkpoints.Checkpoints(run_dir / "checkpoints", keep=1).latest()
    assert latest is not None
    state = {"model": load_file(latest / "model.safetensors"), "step": latest.name}
    state["training"] = torch.load(latest / "training.pt", weights_only=True)
    if (run_dir / "model").is_dir():
        state["export"] = load_file(run_dir / "model" / "weights.safetensors")
    return state


def assert_same(left: Any, right: Any) -> None:
    """Equality to the last bit of nested containers of tensors."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_same(a, b)
    else:
        assert left == right


def train_in_process(run_dir: Path, *overrides: str, num_processes: int = 1, **options: int) -> list[int]:
    """Exit codes of processes that train the toy together."""
    # A server that has only imported things forks quickly, and safely: no thread has run in it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["priordiff.training"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [
        context.Process(target=_child, args=(rank, num_processes, port, run_dir, overrides, options))
        for rank in range(num_processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    return [child.exitcode for child in children]


def _child(rank: int, num_processes: int, port: int, run_dir: Path, overrides, options) -> None:
    on_accelerators = options.pop("on_accelerators", False)
    if num_processes > 1:
        os.environ |= {
            "ACCELERATE_USE_CPU": str(not on_accelerators).lower(),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(num_processes),
            "LOCAL_WORLD_SIZE": str(num_processes),
        }
    if only := options.pop("signal_rank", None):
        options = options if rank == only else {}
    if options.pop("only_main_may_measure", False):
        precision.bfloat16_cost = lambda: 0.5 if rank == 0 else 1 / 0
    save_to_die_in = options.pop("die_in_save", 0)
    if save_to_die_in:
        _die_in_save(save_to_die_in)
    train(run_dir, *overrides, **options)


def _die_in_save(number: int) -> None:
    real, count = checkpoints.save_model, 0

    def save_model(model: nn.Module, path: str) -> None:
        nonlocal count
        count += 1
        real(model, path)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.save_model = save_model
