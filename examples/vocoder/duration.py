"""How long an experiment takes, before and while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from priordiff.training import TimeLeft
from vocoder.configuration import VocoderConfig
from vocoder.experiment import Run, config_of, folder_of

__all__ = ["final_evaluations", "time_left_of"]

# A training step in forward passes, and the report in evaluations, as measured.
_FORWARDS_PER_STEP = 2.5
_REPORT = 1.0


def time_left_of(runs: Sequence[Run], config: VocoderConfig) -> TimeLeft:
    """The time that the runs will take from their last checkpoints on, evaluations and report included."""
    steps, evaluations = 0, 0.0
    for run in runs:
        step = folder_of(run, config).last_step()
        steps += run.num_steps - step
        evaluations += config_of(run, config).training.num_evaluations(step)
    evaluations += len(runs) * final_evaluations(config) + _REPORT
    return TimeLeft(steps, evaluations, _steps_per_evaluation(config))


def final_evaluations(config: VocoderConfig) -> float:
    """About how many evaluations during training take as long as the one at the end."""
    return config.evaluation.final_utterances / config.evaluation.curve_utterances


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
