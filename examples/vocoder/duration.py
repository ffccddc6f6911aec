"""How long an experiment takes, before and while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from priordiff.training import TimeLeft
from vocoder.configuration import VocoderConfig
from vocoder.experiment import Run, config_of, folder_of, training_of
from vocoder.parts import make_parts

__all__ = ["final_evaluations", "time_left_of", "weight_of"]

# A training step in forward passes, and the report in evaluations, as measured.
_FORWARDS_PER_STEP = 2.5
_REPORT = 1.0


def time_left_of(runs: Sequence[Run], config: VocoderConfig) -> TimeLeft:
    """The time that the runs will take from their last checkpoints on, evaluations and report included."""
    steps, evaluations = 0.0, _REPORT
    for run in runs:
        step, weight = folder_of(run, config).last_step(), weight_of(run, config)
        steps += weight * (run.num_steps - step)
        evaluations += weight * training_of(run, config_of(run, config)).num_evaluations(step)
        evaluations += 0 if run.trains_prior else final_evaluations(config)
    return TimeLeft(steps, evaluations, _steps_per_evaluation(config))


def final_evaluations(config: VocoderConfig) -> float:
    """About how many evaluations during training take as long as the one at the end."""
    return config.evaluation.final_utterances / config.evaluation.curve_utterances


def weight_of(run: Run, config: VocoderConfig) -> float:
    """About how many steps of a vocoder's training take as long as one of this run."""
    if not run.trains_prior:
        return 1.0
    config = replace(config, prior=run.prior)
    with torch.device("meta"):
        model, _, estimator = make_parts(config)
    assert estimator is not None
    positions = 1 if config.network == "frames" else config.mel.hop_length // config.model.block_size
    batches = config.estimator.training.batch_size / config.training.batch_size
    return batches * estimator.num_parameters() / (positions * model.num_parameters())


def _steps_per_evaluation(config: VocoderConfig) -> float:
    """How many training steps take as long as an evaluation, counted in mel frames that pass the network."""
    training, evaluation = config.training, config.evaluation
    utterance = evaluation.max_seconds * config.mel.sample_rate / config.mel.hop_length
    batch = training.gradient_accumulation_steps * training.batch_size * config.corpus.crop_frames
    return (
        evaluation.num_inference_steps
        * evaluation.curve_utterances
        * utterance
        / (_FORWARDS_PER_STEP * batch)
    )
