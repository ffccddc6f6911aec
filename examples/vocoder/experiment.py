"""Trains the models of an experiment, and judges each on the held-out recordings."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from priordiff import VocoderPipeline
from priordiff.audio import AudioCorpus, LogMelSpectrogram, write_audio
from priordiff.audio.metrics import average_scores, evaluate_speech
from priordiff.files import write_text
from priordiff.training import AUTO, TimeLeft, Trainer
from priordiff.training.run_folder import RunFolder
from vocoder.configuration import VocoderConfig
from vocoder.priors import BASELINE
from vocoder.task import VocoderTask, evaluation_targets, synthesize

__all__ = [
    "Run",
    "agree_on_precision",
    "check_runs",
    "config_of",
    "evaluate_run",
    "folder_of",
    "runs_of",
    "train_run",
]


@dataclass(frozen=True)
class Run:
    """One model of an experiment.

    Attributes:
        name: of the model in the report, the same for all seeds.
        prior: under which it is trained.
        seed: of its training.
        num_steps: of its training.
        directory: where its training is kept.
    """

    name: str
    prior: str
    seed: int
    num_steps: int
    directory: Path


def runs_of(config: VocoderConfig, seeds: Sequence[int], output: Path) -> list[Run]:
    """The runs of an experiment: for each seed the main prior, then its twins; last, the longer baseline."""
    if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise ValueError(f"--seeds has {repeated[0]} twice: expected different seeds")
    for seed in seeds:
        replace(config.training, seed=seed)  # which refuses one out of range
    priors = dict.fromkeys([config.prior, *config.compare])
    steps = config.training.num_steps
    runs = [
        Run(prior, prior, seed, steps, output / f"{prior}-seed{seed}") for seed in seeds for prior in priors
    ]
    if config.baseline_steps is not None:
        name = f"{BASELINE}, {config.baseline_steps:,} steps"
        directory = output / f"{BASELINE}-seed{seeds[0]}-longer"
        runs.append(Run(name, BASELINE, seeds[0], config.baseline_steps, directory))
    return runs


def config_of(run: Run, config: VocoderConfig) -> VocoderConfig:
    """The configuration of a run, from that of its experiment."""
    training = replace(config.training, seed=run.seed, num_steps=run.num_steps)
    return replace(config, prior=run.prior, baseline_steps=None, training=training)


def folder_of(run: Run, config: VocoderConfig) -> RunFolder:
    """The folder in which a run is kept, or will be."""
    return RunFolder(run.directory, config_of(run, config), config.training.keep_checkpoints)


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
    folders = [folder_of(run, config) for run in runs]
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
    trainer = Trainer(VocoderTask(config, *corpora), config.training, run.directory, run_config=config)
    return trainer.fit(resume, time_left)


def evaluate_run(run: Run, config: VocoderConfig, validation: AudioCorpus) -> dict[str, float]:
    """Scores of the exported model on the held-out recordings, stored in `evaluation/` with the audio.

    Beside the keys of `priordiff.audio.metrics.evaluate_speech`: `real_time_factor`, seconds of computing per
    second of audio, and `parameters`.
    """
    pipeline = VocoderPipeline.from_pretrained(run.directory / "model").to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    sample_rate = pipeline.sample_rate
    folder = run.directory / "evaluation"
    folder.mkdir(exist_ok=True)
    scores, computing, duration = [], 0.0, 0.0
    for index, target in enumerate(evaluation_targets(config, validation)):
        started = time.perf_counter()
        prediction = synthesize(pipeline, target, config.evaluation.num_inference_steps, seed=index)
        computing += time.perf_counter() - started
        duration += len(target) / sample_rate
        scores.append(evaluate_speech(prediction, target, sample_rate, log_mel))
        if index < config.evaluation.report_utterances:
            write_audio(folder / f"{validation.recordings[index].name}.wav", prediction, sample_rate)
    result = average_scores(scores)
    result["real_time_factor"] = computing / duration
    result["parameters"] = sum(parameter.numel() for parameter in pipeline.model.parameters())
    write_text(folder / "scores.json", json.dumps(result, indent=2) + "\n")
    return result
