"""How long a step of a run takes, before it is taken."""

from __future__ import annotations

import torch

from priordiff.training import TrainingConfig
from vocoder.configuration import VocoderConfig
from vocoder.parts import make_parts

__all__ = ["cost_of_a_step", "steps_per_evaluation"]

# A training step in forward passes, as measured.
_FORWARDS_PER_STEP = 2.5


def cost_of_a_step(config: VocoderConfig, of_prior: bool = False) -> float:
    """Products of a training step of a vocoder, or its prior: each position of a frame meets each weight."""
    with torch.device("meta"):
        model, _, estimator = make_parts(config)
    if of_prior:
        assert estimator is not None
        return _frames_of(config.estimator.training, config) * estimator.num_parameters()
    positions = 1 if config.network == "frames" else config.mel.hop_length // config.model.block_size
    return _frames_of(config.training, config) * positions * model.num_parameters()


def steps_per_evaluation(config: VocoderConfig) -> float:
    """How many training steps take as long as an evaluation, counted in mel frames that pass the network."""
    evaluation = config.evaluation
    utterance = evaluation.max_seconds * config.mel.sample_rate / config.mel.hop_length
    evaluated = evaluation.num_inference_steps * evaluation.curve_utterances * utterance
    return evaluated / (_FORWARDS_PER_STEP * _frames_of(config.training, config))


def _frames_of(training: TrainingConfig, config: VocoderConfig) -> int:
    return training.gradient_accumulation_steps * training.batch_size * config.corpus.crop_frames
