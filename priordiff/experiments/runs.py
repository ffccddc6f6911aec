"""The trainings that an experiment is made of."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from priordiff.training import AUTO, TrainingConfig
from priordiff.training.run_folder import RunFolder

__all__ = ["Run", "agree_on_precision", "by_name", "check_runs", "check_seeds"]


@dataclass(frozen=True)
class Run:
    """One training: of a model that is compared with others, or of a part that such models need.

    Args:
        name: Of the model in the report, the same for all seeds.
        seed: Of its training.
        directory: Where it is kept.
        config: What is stored with it, an instance of a dataclass.
        training: Options of its training, a part of ``config``.
        weight: About how many steps of the main model take as long as one of its steps.
        needs: Folders of the runs that train what this one begins with.
        is_part: Whether it trains such a part, and is not itself compared.
    """

    name: str
    seed: int
    directory: Path
    config: Any = field(compare=False)
    training: TrainingConfig = field(compare=False)
    weight: float = 1.0
    needs: tuple[Path, ...] = ()
    is_part: bool = False

    @property
    def num_steps(self) -> int:
        """Steps of its training."""
        return self.training.num_steps

    @property
    def folder(self) -> RunFolder:
        """The folder in which it is kept, or will be."""
        return RunFolder(self.directory, self.config, self.training.keep_checkpoints)


AnyRun = TypeVar("AnyRun", bound=Run)


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse seeds of which two are equal, or one is out of range.

    Raises:
        ValueError: If there are such.
    """
    if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise ValueError(f"--seeds has {repeated[0]} twice: expected different seeds")
    for seed in seeds:
        TrainingConfig(seed=seed)


def check_runs(runs: Sequence[Run], resume: bool) -> None:
    """Refuse folders in which the runs can't be trained, before the first of them is.

    Raises:
        FileExistsError: If one holds a run and ``resume`` is false.
        ValueError: If it was made with another configuration.
    """
    for run in runs:
        run.folder.resumable(run.num_steps, resume)


def agree_on_precision(runs: Sequence[AnyRun]) -> list[AnyRun]:
    """Let the models that are compared have the precision of those that have been begun.

    Models that differ in it would not be compared in what they are to be compared in.

    Returns:
        The same runs; with that precision, where theirs was to be chosen.
    """
    compared = [run for run in runs if not run.is_part]
    stored = [run.folder.stored_section(run.training) for run in compared]
    begun_with = {section.mixed_precision for section in stored if section is not None}
    if len(begun_with) != 1:
        return list(runs)
    (precision,) = begun_with
    return [
        run if run.is_part or run.training.mixed_precision != AUTO else _with_precision(run, precision)
        for run in runs
    ]


def _with_precision(run: AnyRun, precision: str) -> AnyRun:
    # Copied at once, so that the one stays a part of the other.
    config, training = copy.deepcopy((run.config, run.training))
    training.mixed_precision = precision
    return replace(run, config=config, training=training)


def by_name(runs: Sequence[AnyRun]) -> dict[str, list[AnyRun]]:
    """Group the models that are compared: each name has a run for every seed."""
    groups: dict[str, list[AnyRun]] = {}
    for run in runs:
        if not run.is_part:
            groups.setdefault(run.name, []).append(run)
    return groups
