"""A tiny task for the tests of the training loop; as a script, ``toy.py RUN_DIR RESUME [key=value ...]``."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers.utils.torch_utils import randn_tensor
from safetensors.torch import save_file
from torch import nn

from priordiff.training import Draw, Evaluation, Trainer, TrainingConfig, load_config

TRAINING = TrainingConfig(
    seed=3,
    num_steps=8,
    batch_size=4,
    learning_rate=1e-2,
    lr_scheduler="cosine",
    lr_warmup_steps=2,
    ema_decay=0.9,
    log_every=3,
    evaluate_every=3,
    checkpoint_every=2,
    trackers=[],
)


@dataclass
class ToyConfig:
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(**vars(TRAINING)))
    dropout: float = 0.0
    nan_at: int = -1
    signal_at: int = -1
    signal: str = "SIGKILL"
    kill_in_save_at: int = -1


class Points:
    """Items are (points, mask) of unequal length, cropped at random."""

    def __len__(self) -> int:
        return 11

    def __getitem__(self, draw: Draw) -> dict[str, torch.Tensor]:
        line = torch.linspace(-1, 1, 20) * (1 + draw.index)
        start = int(torch.randint(0, 14, (), generator=draw.generator("crop")))
        mask = (torch.arange(6) <= draw.index % 6).float()
        return {"x": line[start : start + 6], "mask": mask, "index": torch.tensor(draw.index)}


class ToyTask:
    """Predict a noisy point's sine, over unmasked points alone."""

    def __init__(self, config: ToyConfig) -> None:
        torch.manual_seed(0)
        self.config = config
        self.model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Dropout(config.dropout), nn.Linear(16, 2))
        self.dataset = Points()
        self.calls = 0
        self.evaluated: list[int] = []

    def collate(self, items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}

    def loss_counts(self, batch: dict[str, torch.Tensor]) -> dict[str, int]:
        return {"sine": int(batch["mask"].sum()), "first": len(batch["x"])}

    def loss_sums(self, model, batch, generators):
        self.calls += 1
        if self.calls == self.config.signal_at:
            os.kill(os.getpid(), getattr(signal, self.config.signal))
        x = batch["x"]
        noise = randn_tensor(x.shape, generator=list(generators), device=x.device)
        prediction = model((x + 0.1 * noise).unsqueeze(-1))
        error = (prediction[..., 0] - x.sin()).square() * batch["mask"]
        if self.calls == self.config.nan_at:
            error = error * float("nan")
        return {"sine": error.sum(), "first": (prediction[:, 0, 1] - x[:, 0]).abs().sum()}

    def evaluate(self, step: int) -> Evaluation:
        assert not self.model.training
        self.evaluated.append(step)
        noise = torch.randn(5, 1)
        assert torch.equal(
            noise, torch.randn(5, 1, generator=torch.Generator().manual_seed(torch.initial_seed()))
        )
        return Evaluation(
            {"error": float((self.model(noise)[:, 0] - noise[:, 0].sin()).abs().mean())},
            audio={"wave": noise[:, 0].clamp(-1, 1)},
            images={"spectrum": torch.zeros(4, 4, 3, dtype=torch.uint8).numpy()},
        )

    def names(self, batch: dict[str, torch.Tensor]) -> list[str]:
        return [f"point-{index}.wav" for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        save_file(self.model.state_dict(), directory / "weights.safetensors")


def die_in_save(calls: int) -> None:
    from priordiff.training import checkpoints

    real, count = checkpoints.save_model, 0

    def save_model(model: nn.Module, path: str) -> None:
        nonlocal count
        count += 1
        real(model, path)
        if count == calls:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.save_model = save_model


def main(run_dir: str, resume: str, *overrides: str) -> None:
    config = load_config(ToyConfig, overrides=overrides)
    if config.kill_in_save_at > 0:
        die_in_save(config.kill_in_save_at)
    recorded = ToyConfig(training=config.training, dropout=config.dropout)
    Trainer(ToyTask(config), config.training, run_dir, recorded).fit(resume=resume == "resume")


if __name__ == "__main__":
    main(*sys.argv[1:])
