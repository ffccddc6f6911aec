"""Trains all runs of an experiment, judges them, and reports."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from priordiff.experiments.origins import Origins, check_origins, store_origins
from priordiff.experiments.runs import Run, agree_on_precision, check_runs, check_seeds
from priordiff.files import make_writable
from priordiff.training import TimeLeft, Trainer, TrainingTask, join_processes

__all__ = ["Experiment", "judging_in_evaluations", "run_experiment", "time_left_of"]

_logger = logging.getLogger(__name__)

# In evaluations, as measured.
_REPORT = 1.0

AnyConfig = TypeVar("AnyConfig")
AnyRun = TypeVar("AnyRun", bound=Run)


class Experiment(ABC, Generic[AnyConfig, AnyRun]):
    """What an example compares: a main model, and others beside it, for every seed.

    Args:
        config: Of the main model; an instance of a dataclass.
        seeds: Of the trainings.
        output: Folder of the runs and of the report.

    Raises:
        ValueError: If two seeds are equal, or one is out of range.
    """

    def __init__(self, config: AnyConfig, seeds: Sequence[int], output: Path) -> None:
        check_seeds(seeds)
        self.config, self.seeds, self.output = config, seeds, output

    @property
    @abstractmethod
    def steps_per_evaluation(self) -> float:
        """About how many training steps of the main model take as long as an evaluation."""

    @property
    @abstractmethod
    def final_evaluations(self) -> float:
        """About how many evaluations during training take as long as that of a finished run."""

    @abstractmethod
    def runs(self) -> Sequence[AnyRun]:
        """The runs in the order in which they are trained: a part before what needs it."""

    @abstractmethod
    def prepare(self) -> Any:
        """The data of all of them; called once, in every process."""

    @abstractmethod
    def task(self, run: AnyRun, data: Any) -> TrainingTask:
        """What a run trains."""

    def origins(self, run: AnyRun, data: Any) -> Origins:
        """What a run learns from besides its configuration; if that has changed, it can't be resumed.

        Args:
            run: Of this experiment.
            data: Of `prepare`.

        Returns:
            By a name that tells what it is: the folder of the run that exports it, or a hash of anything
            else. By default, the runs that it needs.
        """
        return {needed.name: needed for needed in run.needs}

    @abstractmethod
    def judge(self, run: AnyRun, data: Any) -> str:
        """Judge the exported model of a run and store the scores in its folder; returns a few words."""

    @abstractmethod
    def report(self, path: Path, runs: Sequence[AnyRun], data: Any) -> None:
        """Write the report about the finished runs to an HTML file."""


def judging_in_evaluations(all_steps: Iterable[int], steps: int, count: int, curve_count: int) -> float:
    """Tell how many evaluations during training take as long as judging a model at several numbers of steps.

    Args:
        all_steps: Sampling steps with which the finished model is judged.
        steps: Sampling steps of an evaluation during training.
        count: Samples of the judging.
        curve_count: Samples of an evaluation during training.

    Example:
        >>> judging_in_evaluations([2, 6], steps=4, count=16, curve_count=8)
        4.0
    """
    return sum({*all_steps}) / steps * count / curve_count


def run_experiment(experiment: Experiment[Any, AnyRun], resume: bool) -> bool:
    """Train every run up to its last step, judge each, and write the report.

    Args:
        experiment: What is to be trained and compared.
        resume: Whether to go on with what an earlier call has begun.

    Returns:
        Whether all was done; False if a signal stopped it.

    Raises:
        FileExistsError: If a folder holds a run and ``resume`` is false.
        ValueError: If one holds a run with another configuration, or one that has learned from something
            else than there is now.
        OSError: If a folder can't be written.
        TrainingDivergedError: If a loss, gradients or weights are infinite or NaN.
    """
    runs = experiment.runs()
    check_runs(runs, resume)
    runs = agree_on_precision(runs)
    make_writable(experiment.output)
    processes = join_processes()
    if not processes.is_main_process:
        logging.disable(logging.WARNING)
    data = experiment.prepare()
    begun = [run for run in runs if run.folder.last_step()]
    check_origins([(run, experiment.origins(run, data)) for run in begun], runs)
    time_left = time_left_of(experiment, runs)
    for run in runs:
        time_left.weigh(run.weight)
        trainer = Trainer(experiment.task(run, data), run.training, run.directory, run_config=run.config)
        if processes.is_main_process and run not in begun:
            store_origins(run, experiment.origins(run, data))
        if not trainer.fit(resume, time_left):
            if processes.is_main_process:
                _logger.info("stopped and saved; the same command with --resume goes on from here")
            return False
        if processes.is_main_process and not run.is_part:
            summary = experiment.judge(run, data)
            time_left.count(evaluations=experiment.final_evaluations)
            _logger.info("%s: %s; all runs: %s left", run.directory, summary, time_left)
        processes.wait_for_everyone()
    if processes.is_main_process:
        path = experiment.output / "report.html"
        experiment.report(path, runs, data)
        _logger.info("report: %s", path)
    return True


def time_left_of(experiment: Experiment[Any, AnyRun], runs: Sequence[AnyRun]) -> TimeLeft:
    """Plan the time that runs will take from their last checkpoints on, evaluations and report included."""
    steps, evaluations = 0.0, _REPORT
    for run in runs:
        step = run.folder.last_step()
        steps += run.weight * (run.num_steps - step)
        evaluations += run.weight * run.training.num_evaluations(step)
        evaluations += 0.0 if run.is_part else run.weight * experiment.final_evaluations
    return TimeLeft(steps, evaluations, experiment.steps_per_evaluation)
