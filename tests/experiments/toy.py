"""A tiny experiment for the tests of what all experiments share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from priordiff.experiments import Experiment, Run, by_name, read_scores, run_experiment, write_scores
from priordiff.training import TrainingConfig
from tests.training.toy import ToyConfig, ToyTask, toy_training


class ToyExperiment(Experiment[TrainingConfig, Run]):
    """A model that needs a part, and its twin, for every seed."""

    steps_per_evaluation = 2.0
    final_evaluations = 3.0

    def __init__(
        self, output: Path, seeds: Sequence[int] = (0,), training: TrainingConfig | None = None
    ) -> None:
        training = training or replace(toy_training(), num_steps=6, checkpoint_every=2, log_every=1)
        super().__init__(training, seeds, output)
        self.training = training
        self.prepared = 0
        self.trained: list[str] = []
        self.faults: dict[str, int] = {}

    def runs(self) -> list[Run]:
        runs = []
        for seed in self.seeds:
            part = self._run("part", seed, 0.5, is_part=True)
            toy = replace(self._run("toy", seed), needs=(part.directory,))
            runs += [part, toy, self._run("twin", seed, 2.0)]
        return runs

    def prepare(self) -> str:
        self.prepared += 1
        return "data"

    def task(self, run: Run, data: str) -> ToyTask:
        assert data == "data"
        for needed in run.needs:
            assert (needed / "model").is_dir(), "a part is there before what needs it is trained"
        self.trained.append(run.directory.name)
        return ToyTask(**self.faults if run.name == "toy" else {})

    def judge(self, run: Run, data: str) -> str:
        write_scores(run.directory, "scores", {"seed": run.seed, "models": 1.0})
        return f"seed {run.seed}"

    def report(self, path: Path, runs: Sequence[Run], data: str) -> None:
        scores = {
            name: [read_scores(run.directory, "scores") for run in of_name]
            for name, of_name in by_name(runs).items()
        }
        path.write_text(json.dumps(scores), encoding="utf-8")

    def _run(self, name: str, seed: int, weight: float = 1.0, is_part: bool = False) -> Run:
        training = replace(self.training, seed=seed)
        directory = self.output / f"{name}-seed{seed}"
        return Run(name, seed, directory, ToyConfig(training), training, weight, is_part=is_part)


def finished(experiment: ToyExperiment) -> ToyExperiment:
    """The experiment, after it has been run."""
    assert run_experiment(experiment, resume=False)
    return experiment
