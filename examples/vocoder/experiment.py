"""The vocoders that are compared, and the priors that are learned for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from priordiff import LearnedMelSpectrumEstimator
from priordiff.experiments import Experiment
from priordiff.training import TrainingTask
from vocoder.configuration import EstimatorConfig, VocoderConfig
from vocoder.data import Recordings, prepare_corpus
from vocoder.duration import cost_of_a_step, steps_per_evaluation
from vocoder.judging import evaluate_run
from vocoder.prior_task import PriorTask
from vocoder.priors import BASELINE, PRIORS
from vocoder.results import write_report
from vocoder.run import VocoderRun
from vocoder.task import VocoderTask

__all__ = ["VocoderExperiment"]

Corpora = tuple[Recordings, Recordings]


class VocoderExperiment(Experiment[VocoderConfig, VocoderRun]):
    """A vocoder under the configured prior, and its twins under those of `compare`, for every seed."""

    @property
    def steps_per_evaluation(self) -> float:
        return steps_per_evaluation(self.config)

    @property
    def final_evaluations(self) -> float:
        return self.config.evaluation.final_utterances / self.config.evaluation.curve_utterances

    def runs(self) -> list[VocoderRun]:
        """For each seed the main prior, then its twins; last, the longer baseline.

        Before the first vocoder under a prior that is learned comes the run that learns it.
        """
        config = self.config
        runs = []
        for seed in self.seeds:
            for prior in dict.fromkeys([config.prior, *config.compare]):
                needs: tuple[Path, ...] = ()
                if PRIORS[prior].is_learned:
                    runs.append(self._prior_run(prior, seed))
                    needs = (runs[-1].directory,)
                runs.append(self._vocoder_run(prior, seed, needs))
        if config.baseline_steps is not None:
            runs.append(self._longer_baseline(config.baseline_steps))
        return runs

    def prepare(self) -> Corpora:
        return prepare_corpus(self.config)

    def task(self, run: VocoderRun, data: Corpora) -> TrainingTask:
        if run.is_part:
            return PriorTask(run.config, *data)
        if not run.needs:
            return VocoderTask(run.config, *data)
        (prior,) = run.needs
        estimator = LearnedMelSpectrumEstimator.from_pretrained(prior / "model").eval()
        return VocoderTask(run.config, *data, estimator, prior / "frames")

    def judge(self, run: VocoderRun, data: Corpora) -> str:
        scores = evaluate_run(run.directory, run.config, data[1])
        return f"log-mel MAE {scores['log_mel_mae']:.3f}, MR-STFT {scores['mr_stft']:.3f}"

    def report(self, path: Path, runs: Sequence[VocoderRun], data: Corpora) -> None:
        write_report(path, self.config, runs, data)

    def _prior_run(self, prior: str, seed: int) -> VocoderRun:
        """The training of a prior; of the configuration it keeps what concerns the prior."""
        config = VocoderConfig(
            prior=prior,
            corpus=self.config.corpus,
            mel=self.config.mel,
            estimator=self._estimator(seed),
            evaluation=self.config.evaluation,
        )
        return VocoderRun(
            name=f"{prior} prior",
            seed=seed,
            directory=self.output / f"{prior}-prior-seed{seed}",
            config=config,
            training=config.estimator.training,
            weight=cost_of_a_step(config, of_prior=True) / cost_of_a_step(self.config),
            is_part=True,
            prior=prior,
        )

    def _vocoder_run(self, prior: str, seed: int, needs: tuple[Path, ...] = ()) -> VocoderRun:
        config = self.config.under(prior)
        training = replace(config.training, seed=seed)
        config = replace(config, estimator=self._estimator(seed), training=training)
        return VocoderRun(
            name=prior,
            seed=seed,
            directory=self.output / f"{prior}-seed{seed}",
            config=config,
            training=training,
            weight=cost_of_a_step(config) / cost_of_a_step(self.config),
            needs=needs,
            prior=prior,
        )

    def _longer_baseline(self, num_steps: int) -> VocoderRun:
        run = self._vocoder_run(BASELINE, self.seeds[0])
        training = replace(run.training, num_steps=num_steps)
        return replace(
            run,
            name=f"{BASELINE}, {num_steps:,} steps",
            directory=self.output / f"{BASELINE}-seed{run.seed}-longer",
            config=replace(run.config, training=training),
            training=training,
        )

    def _estimator(self, seed: int) -> EstimatorConfig:
        estimator = self.config.estimator
        return replace(estimator, training=replace(estimator.training, seed=seed))
