"""Checkpoints of a run: written whole or not at all, and rotated."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from priordiff.files import atomic_path, remove_partials, remove_whole, write_text
from priordiff.training.sharding import gather, gather_weights, scatter, scatter_optimizer, scatter_weights

__all__ = ["Checkpoints", "Progress", "TrainingState"]

# Where a file is damaged decides what reading it raises.
_DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
    SafetensorError,
)


@dataclass
class Progress:
    """How far a run has come.

    Args:
        step: Steps taken.
        seconds: Seconds of training, without evaluations and saving.
        global_batch_size: Samples per step, over all processes and micro-batches.
        dataset_size: Items in the training set.
        window: Values since the last log, by name.
    """

    step: int = 0
    seconds: float = 0.0
    global_batch_size: int = 0
    dataset_size: int = 0
    window: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class TrainingState:
    """All that a resumed run needs; random states aren't among it, since they are functions of seed and step.

    Args:
        model: The network, unwrapped and whole.
        optimizer: Its optimizer.
        lr_scheduler: The optimizer's learning-rate schedule.
        ema: Moving average of the network's parameters, if any.
        scaler: Gradient scaler of fp16, if any.
        progress: How far the run has come.
        sharded: What is trained where processes share the weights (FSDP): a copy of the network, which then
            holds the weights of the last `gather`.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler
    ema: EMAModel | None
    scaler: Any | None
    progress: Progress
    sharded: nn.Module | None = None
    _gathered: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def trained(self) -> nn.Module:
        """The network whose parameters the optimizer has."""
        return self.model if self.sharded is None else self.sharded

    def gather(self, averaged: bool = False) -> None:
        """Bring the shards together, if there are any; called by all processes before one uses them.

        Args:
            averaged: Whether the model is to hold the averaged weights, to be used; else it holds those that
                are trained, to be saved with all the rest.
        """
        if self.sharded is None:
            return
        average = self.ema.shadow_params if averaged and self.ema is not None else None
        gather_weights(self.model, self.sharded, average)
        states = {} if averaged else {name: part.state_dict() for name, part in self._parts().items()}
        self._gathered = gather(states)

    def save(self, folder: Path) -> None:
        """Write the state; where weights are sharded, that of the last `gather`.

        Args:
            folder: An empty folder.

        Raises:
            OSError: If it can't be written.
            SafetensorError: Likewise.
        """
        save_model(self.model, str(folder / "model.safetensors"))
        states = self._gathered or {name: part.state_dict() for name, part in self._parts().items()}
        self._gathered = {}
        try:
            torch.save(states, folder / "training.pt")
        except RuntimeError as error:
            # This is how torch reports a full disk.
            raise OSError(" ".join(str(error).split())) from error
        write_text(folder / "progress.json", json.dumps(dataclasses.asdict(self.progress)))

    def load(self, folder: Path) -> None:
        """Take the state over from a folder.

        Args:
            folder: A checkpoint.

        Raises:
            ValueError: If it is damaged or doesn't fit.
        """
        try:
            load_model(self.model, folder / "model.safetensors")
            states = torch.load(folder / "training.pt", map_location="cpu", weights_only=True)
            if self.sharded is not None:
                parameters = [p for p in self.sharded.parameters() if p.requires_grad]
                scatter_weights(self.model, self.sharded)
                states["optimizer"] = scatter_optimizer(states["optimizer"], parameters)
                if self.ema is not None:
                    averaged = zip(states["ema"]["shadow_params"], self.sharded.parameters(), strict=True)
                    states["ema"]["shadow_params"] = [scatter(value, like) for value, like in averaged]
            for name, part in self._parts().items():
                part.load_state_dict(states[name])
            if self.ema is not None:
                self.ema.to(next(self.trained.parameters()).device)
            self.progress = Progress(**json.loads((folder / "progress.json").read_text(encoding="utf-8")))
        except _DAMAGED as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"can't resume from {folder} ({reason}): delete it to use an older one"
            ) from error

    def _parts(self) -> dict[str, Any]:
        parts = {
            "optimizer": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
            "ema": self.ema,
            "scaler": self.scaler,
        }
        return {name: part for name, part in parts.items() if part is not None}


class Checkpoints:
    """The checkpoints of a run, one folder for each saved step.

    Args:
        folder: Folder of them all.
        keep: How many of the latest ones stay.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def all(self) -> list[Path]:
        """List the whole checkpoints.

        Returns:
            Their folders, by step.
        """
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((path for path in found if re.fullmatch(r"step-\d+", path.name)), key=self.step_of)

    def latest(self) -> Path | None:
        """Find the checkpoint of the last saved step.

        Returns:
            Its folder; None without any.
        """
        checkpoints = self.all()
        return checkpoints[-1] if checkpoints else None

    @staticmethod
    def step_of(checkpoint: Path) -> int:
        """Read a checkpoint's step off its name.

        Args:
            checkpoint: Its folder.

        Returns:
            Steps taken before it.
        """
        return int(checkpoint.name.removeprefix("step-"))

    def clean(self) -> None:
        """Remove what killed processes left half-written."""
        remove_partials(self.folder)

    def save(self, state: TrainingState) -> Path:
        """Write a checkpoint, then remove the oldest ones.

        Args:
            state: What is saved.

        Returns:
            Its folder.

        Raises:
            OSError: If it can't be written; earlier ones are kept and nothing of it stays.
        """
        path = self.folder / f"step-{state.progress.step:08d}"
        try:
            with atomic_path(path, "save checkpoint") as folder:
                folder.mkdir(parents=True)
                state.save(folder)
        except OSError as error:
            kept = f"{latest} is kept" if (latest := self.latest()) else "there is no earlier one"
            raise OSError(f"{error}; {kept}") from error
        for outdated in self.all()[: -self.keep]:
            remove_whole(outdated)
        return path
