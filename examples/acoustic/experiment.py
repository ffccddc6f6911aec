"""The acoustic models that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from acoustic.configuration import AcousticConfig
from acoustic.corpus import SpokenCorpus, prepare_corpus
from acoustic.judging import evaluate_run
from acoustic.results import write_report
from acoustic.task import AcousticTask
from priordiff.experiments import Experiment, Run, judging_in_evaluations
from priordiff.training import TrainingTask

__all__ = ["AcousticExperiment"]


@dataclass(frozen=True)
class AcousticRun(Run):
    """The training of one acoustic model."""

    config: AcousticConfig = field(compare=False)


class AcousticExperiment(Experiment[AcousticConfig, AcousticRun]):
    """An acoustic model, and those that `compare` names, for every seed."""

    @property
    def steps_per_evaluation(self) -> float:
        evaluation, training = self.config.evaluation, self.config.training
        # Utterances of about three times the frames of a crop, in forward passes; a step is two and a half.
        passes = 3 * evaluation.num_inference_steps * evaluation.curve_utterances
        return passes / (2.5 * training.batch_size)

    @property
    def final_evaluations(self) -> float:
        evaluation = self.config.evaluation
        steps = evaluation.num_inference_steps
        all_steps = [*evaluation.more_inference_steps, steps]
        return judging_in_evaluations(
            all_steps, steps, evaluation.final_utterances, evaluation.curve_utterances
        )

    def runs(self) -> list[AcousticRun]:
        """For each seed the main model, then the others."""
        return [
            self._run(kind, seed)
            for seed in self.seeds
            for kind in dict.fromkeys([self.config.kind, *self.config.compare])
        ]

    def prepare(self) -> SpokenCorpus:
        return prepare_corpus(self.config)

    def task(self, run: AcousticRun, data: SpokenCorpus) -> TrainingTask:
        return AcousticTask(run.config, data)

    def judge(self, run: AcousticRun, data: SpokenCorpus) -> str:
        scores = evaluate_run(run.directory, run.config, data.listener)
        return f"log-mel MAE {scores['log_mel_mae']:.3f}, MCD {scores['mcd']:.2f} dB"

    def report(self, path: Path, runs: Sequence[AcousticRun], data: SpokenCorpus) -> None:
        write_report(path, self.config, runs, data)

    def _run(self, kind: str, seed: int) -> AcousticRun:
        training = replace(self.config.training, seed=seed)
        config = replace(self.config.of_kind(kind), training=training)
        directory = self.output / f"{kind}-seed{seed}"
        return AcousticRun(kind, seed, directory, config, training)
