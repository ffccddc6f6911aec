"""Trains the models of an experiment, and judges each on the held-out recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from priordiff import LearnedMelSpectrumEstimator, PriorEstimator
from priordiff.audio import AudioCorpus
from priordiff.training import AUTO, TimeLeft, Trainer, TrainingConfig
from priordiff.training.run_folder import RunFolder
from vocoder.configuration import VocoderConfig
from vocoder.prior_task import PriorTask
from vocoder.priors import BASELINE, PRIORS
from vocoder.task import VocoderTask

__all__ = [
    "Run",
    "agree_on_precision",
    "check_runs",
    "config_of",
    "folder_of",
    "runs_of",
    "train_run",
    "training_of",
]


@dataclass(frozen=True)
class Run:
    """One training of an experiment: of a vocoder, or of the prior under which others train vocoders.

    Attributes:
        name: of the model in the report, the same for all seeds.
        prior: under which it is trained, or which is.
        seed: of its training.
        num_steps: of its training.
        directory: where its training is kept.
        trains_prior: whether it is the prior that is trained.
        learned_prior: folder of the run in which its prior is; None for a prior that is not learned.
    """

    name: str
    prior: str
    seed: int
    num_steps: int
    directory: Path
    trains_prior: bool = False
    learned_prior: Path | None = None


def runs_of(config: VocoderConfig, seeds: Sequence[int], output: Path) -> list[Run]:
    """The runs of an experiment: for each seed the main prior, then its twins; last, the longer baseline.

    Before the first vocoder under a prior that is learned comes the run that learns it.
    """
    if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise ValueError(f"--seeds has {repeated[0]} twice: expected different seeds")
    for seed in seeds:
        replace(config.training, seed=seed)  # which refuses one out of range
    priors = dict.fromkeys([config.prior, *config.compare])
    runs = []
    for seed in seeds:
        for prior in priors:
            learned = None
            if PRIORS[prior].is_learned:
                learned = output / f"{prior}-prior-seed{seed}"
                prior_steps = config.estimator.training.num_steps
                runs.append(Run(f"{prior} prior", prior, seed, prior_steps, learned, trains_prior=True))
            directory = output / f"{prior}-seed{seed}"
            steps = config.under(prior).training.num_steps
            runs.append(Run(prior, prior, seed, steps, directory, learned_prior=learned))
    if config.baseline_steps is not None:
        name = f"{BASELINE}, {config.baseline_steps:,} steps"
        directory = output / f"{BASELINE}-seed{seeds[0]}-longer"
        runs.append(Run(name, BASELINE, seeds[0], config.baseline_steps, directory))
    return runs


def config_of(run: Run, config: VocoderConfig) -> VocoderConfig:
    """The configuration of a run, from that of its experiment; of a prior's, what concerns the prior."""
    estimator = replace(config.estimator, training=replace(config.estimator.training, seed=run.seed))
    if run.trains_prior:
        return VocoderConfig(
            prior=run.prior,
            corpus=config.corpus,
            mel=config.mel,
            estimator=estimator,
            evaluation=config.evaluation,
        )
    config = config.under(run.prior)
    training = replace(config.training, seed=run.seed, num_steps=run.num_steps)
    return replace(config, estimator=estimator, training=training)


def training_of(run: Run, config: VocoderConfig) -> TrainingConfig:
    """The options of the loop for a run, a part of its configuration."""
    return config.estimator.training if run.trains_prior else config.training


def folder_of(run: Run, config: VocoderConfig) -> RunFolder:
    """The folder in which a run is kept, or will be."""
    return RunFolder(run.directory, config_of(run, config), training_of(run, config).keep_checkpoints)


def check_runs(runs: Sequence[Run], config: VocoderConfig, resume: bool) -> None:
    """Refuses folders in which the runs can't be trained, before the first of them is.

    Raises:
        FileExistsError: if one holds a run and `resume` is false.
        ValueError: if it was made with another configuration.
    """
    for run in runs:
        folder_of(run, config).resumable(run.num_steps, resume)


def agree_on_precision(runs: Sequence[Run], config: VocoderConfig) -> VocoderConfig:
    """The configuration with the precision of the runs that have been begun: twins must not differ in it."""
    folders = [folder_of(run, config) for run in runs if not run.trains_prior]
    begun_with = {stored.training.mixed_precision for folder in folders if (stored := folder.stored_config())}
    if config.training.mixed_precision != AUTO or len(begun_with) != 1:
        return config
    return replace(config, training=replace(config.training, mixed_precision=begun_with.pop()))


def train_run(
    run: Run,
    config: VocoderConfig,
    corpora: tuple[AudioCorpus, AudioCorpus],
    resume: bool,
    time_left: TimeLeft,
) -> bool:
    """Trains a run up to its last step; False if a signal stopped it before."""
    config = config_of(run, config)
    task: PriorTask | VocoderTask
    if run.trains_prior:
        task = PriorTask(config, *corpora)
    else:
        task = VocoderTask(config, *corpora, _learned_prior(run))
    trainer = Trainer(task, training_of(run, config), run.directory, run_config=config)
    return trainer.fit(resume, time_left)


def _learned_prior(run: Run) -> PriorEstimator | None:
    if run.learned_prior is None:
        return None
    return LearnedMelSpectrumEstimator.from_pretrained(run.learned_prior / "model").eval()
