"""The folder of a run: its configuration, checkpoints, history and export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from priordiff.files import atomic_path, remove_partials
from priordiff.training.checkpoints import Checkpoints, TrainingState
from priordiff.training.config import changed_keys, counterpart, load_config, save_config
from priordiff.training.metrics import MetricsLog

__all__ = ["RunFolder"]


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; made where it is missing.
        config: Configuration of the run, an instance of a dataclass.
        keep_checkpoints: How many of the latest checkpoints stay.
    """

    def __init__(self, path: Path, config: Any, keep_checkpoints: int) -> None:
        self.path, self.config = path, config
        self.checkpoints = Checkpoints(path / "checkpoints", keep_checkpoints)
        self.metrics = MetricsLog(path)

    def last_step(self) -> int:
        """Tell how far the run in the folder has come.

        Returns:
            Steps at its last checkpoint; 0 if the folder holds no run.
        """
        checkpoint = self.checkpoints.latest()
        return 0 if checkpoint is None else self.checkpoints.step_of(checkpoint)

    def stored_config(self) -> Any | None:
        """Read the configuration of the run that the folder holds.

        Returns:
            An instance of the class of ``config``; None if it holds no run.

        Raises:
            FileNotFoundError: If it holds a run without a configuration.
            ValueError: If it is that of another kind of run.
        """
        if self.checkpoints.latest() is None:
            return None
        return load_config(type(self.config), self.path / "config.yaml")

    def stored_section(self, section: Any) -> Any | None:
        """Read a section of the configuration of the run that the folder holds.

        Args:
            section: The same section of ``config``, or ``config`` itself.

        Returns:
            What `stored_config` has in its place; None if the folder holds no run.

        Raises:
            FileNotFoundError: If it holds a run without a configuration.
            ValueError: If it is that of another kind of run, or ``section`` is no part of ``config``.
        """
        if counterpart(section, self.config, self.config) is None:
            name = type(section).__name__
            raise ValueError(f"run_config has no part that is the {name} given: expected it to hold that one")
        stored = self.stored_config()
        return None if stored is None else counterpart(section, self.config, stored)

    def resumable(self, num_steps: int, resume: bool) -> Path | None:
        """Find the checkpoint from which the run goes on; it only reads.

        Args:
            num_steps: Steps to be taken in all.
            resume: Whether a run in this folder is to be continued.

        Returns:
            The last checkpoint; None if the folder holds no run.

        Raises:
            FileExistsError: If it holds one and ``resume`` is false.
            ValueError: If the run was made with another configuration, or for more steps.
        """
        checkpoint = self.checkpoints.latest()
        if checkpoint is None:
            return None
        if not resume:
            raise FileExistsError(
                f"{self.path} holds a run of {self.checkpoints.step_of(checkpoint)} steps: "
                "pass --resume to continue it, or choose another folder"
            )
        for key, before, after in changed_keys(self.stored_config(), self.config):
            raise self._mismatch(key, before, after)
        if num_steps < (step := self.checkpoints.step_of(checkpoint)):
            raise ValueError(f"num_steps is {num_steps}, but the run in {self.path} is at {step} already")
        return checkpoint

    def restore(self, state: TrainingState, num_steps: int, resume: bool) -> bool:
        """Load the last checkpoint, if the run can be resumed from it; it only reads.

        Args:
            state: Takes the checkpoint over; its progress says what the run must have been made with.
            num_steps: Steps to be taken in all.
            resume: Whether a run in this folder is to be continued.

        Returns:
            Whether there was one.

        Raises:
            FileExistsError: If there is one and ``resume`` is false.
            ValueError: If the run was made with another configuration, batch size or dataset.
        """
        checkpoint = self.resumable(num_steps, resume)
        if checkpoint is None:
            return False
        expected = state.progress
        state.load(checkpoint)
        for name in ("global_batch_size", "dataset_size"):
            before, after = getattr(state.progress, name), getattr(expected, name)
            if before != after:
                raise self._mismatch(name, before, after)
        return True

    def open(self, step: int) -> None:
        """Clear away what killed processes left, and store the configuration.

        Args:
            step: Step from which the run goes on; the history after it is dropped.

        Raises:
            OSError: If the folder can't be written.
        """
        save_config(self.config, self.path / "config.yaml")
        remove_partials(self.path)
        self.checkpoints.clean()
        self.metrics.truncate(step)

    def export(self, save: Callable[[Path], None]) -> None:
        """Fill the folder ``model``, whole or not at all.

        Args:
            save: Writes into an empty folder.

        Raises:
            OSError: If it can't be written.
        """
        with atomic_path(self.path / "model", "export to") as folder:
            folder.mkdir()
            save(folder)

    def _mismatch(self, key: str, before: object, after: object) -> ValueError:
        return ValueError(
            f"{key} is {after!r}, but the run in {self.path} has {before!r}: "
            "resume it with that value, or choose another folder"
        )
