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
from priordiff.experiments import Run, check_seeds
from priordiff.training import TrainingTask

__all__ = ["AcousticExperiment"]


@dataclass(frozen=True)
class AcousticRun(Run):
    """The training of one acoustic model."""

    config: AcousticConfig = field(compare=False)


class AcousticExperiment:
    """An acoustic model, and those that it is compared with, for every seed.

    Args:
        config: of the main model; its `compare` names the others.
        seeds: of the trainings.
        output: folder of the runs.

    Raises:
        ValueError: if two seeds are equal, or one is out of range.
    """

    def __init__(self, config: AcousticConfig, seeds: Sequence[int], output: Path) -> None:
        check_seeds(seeds)
        self.config, self.seeds, self.output = config, seeds, output

    @property
    def steps_per_evaluation(self) -> float:
        evaluation, training = self.config.evaluation, self.config.training
        # Utterances of about three times the frames of a crop, in forward passes; a step is two and a half.
        passes = 3 * evaluation.num_inference_steps * evaluation.curve_utterances
        return passes / (2.5 * training.batch_size)

    @property
    def final_evaluations(self) -> float:
        evaluation = self.config.evaluation
        steps = sum({*evaluation.more_inference_steps, evaluation.num_inference_steps})
        share = steps / evaluation.num_inference_steps
        return share * evaluation.final_utterances / evaluation.curve_utterances

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
        held_out = AcousticTask.held_out(run.config, data, run.config.evaluation.final_utterances)
        symbols = [alignment.symbols for alignment in held_out.corpus.alignments]
        scores = evaluate_run(run.directory, run.config, symbols, held_out.items)
        return f"log-mel MAE {scores['log_mel_mae']:.3f}, MCD {scores['mcd']:.2f} dB"

    def report(self, runs: Sequence[AcousticRun], data: SpokenCorpus) -> Path:
        path = self.output / "report.html"
        write_report(path, self.config, runs, data)
        return path

    def _run(self, kind: str, seed: int) -> AcousticRun:
        training = replace(self.config.training, seed=seed)
        config = replace(self.config.of_kind(kind), training=training)
        directory = self.output / f"{kind}-seed{seed}"
        return AcousticRun(kind, seed, directory, config, training)
