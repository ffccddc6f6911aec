"""How long an experiment takes, before and while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from priordiff.training import TimeLeft, TrainingConfig
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
        evaluations += 0 if run.trains_prior else weight * final_evaluations(config)
    return TimeLeft(steps, evaluations, _steps_per_evaluation(config))


def final_evaluations(config: VocoderConfig) -> float:
    """About how many evaluations during training take as long as the one at the end."""
    return config.evaluation.final_utterances / config.evaluation.curve_utterances


def weight_of(run: Run, config: VocoderConfig) -> float:
    """About how many steps of the main model take as long as one of this run."""
    return _cost(config_of(run, config), run.trains_prior) / _cost(config, of_prior=False)


def _cost(config: VocoderConfig, of_prior: bool) -> float:
    """Products of a training step: each position of each frame meets each weight once."""
    with torch.device("meta"):
        model, _, estimator = make_parts(config)
    if of_prior:
        assert estimator is not None
        return _frames_of(config.estimator.training, config) * estimator.num_parameters()
    positions = 1 if config.network == "frames" else config.mel.hop_length // config.model.block_size
    return _frames_of(config.training, config) * positions * model.num_parameters()


def _frames_of(training: TrainingConfig, config: VocoderConfig) -> int:
    return training.gradient_accumulation_steps * training.batch_size * config.corpus.crop_frames


def _steps_per_evaluation(config: VocoderConfig) -> float:
    """How many training steps take as long as an evaluation, counted in mel frames that pass the network."""
    evaluation = config.evaluation
    utterance = evaluation.max_seconds * config.mel.sample_rate / config.mel.hop_length
    evaluated = evaluation.num_inference_steps * evaluation.curve_utterances * utterance
    return evaluated / (_FORWARDS_PER_STEP * _frames_of(config.training, config))
