"""Sizes and lengths with which an experiment takes seconds."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ACOUSTIC", "TRAINING", "as_overrides"]

TRAINING: Mapping[str, object] = {
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.evaluate_every": 2,
    "training.checkpoint_every": 2,
    "training.lr_warmup_steps": 0,
    "training.mixed_precision": "no",
    "training.trackers": "[]",
    "evaluation.curve_utterances": 1,
    "evaluation.final_utterances": 1,
}

ACOUSTIC: Mapping[str, object] = {
    **TRAINING,
    "crop_frames": 16,
    "encoder.channels": 8,
    "encoder.layers": 1,
    "encoder.filter_channels": 16,
    "encoder.predictor_channels": 8,
    "convnext.channels": 8,
    "convnext.layers": 2,
    "decoder.residual_channels": 8,
    "decoder.residual_layers": 2,
    "transformer.layers": 1,
    "transformer.filter_channels": 16,
}


def as_overrides(values: Mapping[str, object]) -> list[str]:
    """Values of a configuration as arguments of a command."""
    return [f"{key}={value}" for key, value in values.items()]
