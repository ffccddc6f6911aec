"""Sizes and lengths with which an experiment takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["ACOUSTIC", "LATENT_DIFFUSION", "TEXT_FEATURES", "TRAINING", "TextLengths", "as_overrides"]

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

LATENT_DIFFUSION: Mapping[str, object] = {
    "corpus.size": 16,
    "corpus.validation_fraction": 0.3,
    "autoencoder.folder": "null",
    "autoencoder.channels": "[8, 8]",
    "autoencoder.latent_channels": 2,
    "autoencoder.training.num_steps": 2,
    "autoencoder.training.lr_scheduler": "constant",
    "autoencoder.training.lr_warmup_steps": 0,
    "autoencoder.training.trackers": "[]",
    "unet.channels": "[16, 16]",
    "unet.layers": 1,
    "estimator.rank": 2,
    "estimator.channels": 8,
    "estimator.layers": 1,
    "estimator.training.num_steps": 2,
    "estimator.training.batch_size": 2,
    "estimator.training.lr_scheduler": "constant",
    "estimator.training.mixed_precision": "no",
    "estimator.training.trackers": "[]",
    "training.num_steps": 3,
    "training.batch_size": 2,
    "training.evaluate_every": 2,
    "training.checkpoint_every": 2,
    "training.log_every": 1,
    "training.lr_warmup_steps": 0,
    "training.mixed_precision": "no",
    "training.trackers": "[]",
    "evaluation.num_inference_steps": 3,
    "evaluation.more_inference_steps": "[2]",
    "evaluation.curve_images": 4,
    "evaluation.final_images": 5,
    "evaluation.report_images": 3,
    "evaluation.batch_size": 4,
}

TEXT_FEATURES = 6


def as_overrides(values: Mapping[str, object]) -> list[str]:
    """Values of a configuration as arguments of a command."""
    return [f"{key}={value}" for key, value in values.items()]


class TextLengths:
    """Stands for the sentence encoder: a text by its length."""

    def to(self, device: torch.device) -> TextLengths:
        return self

    def __call__(self, texts: Sequence[str]) -> Tensor:
        lengths = torch.tensor([float(len(text)) for text in texts])
        return torch.nn.functional.one_hot(lengths.long() % TEXT_FEATURES, TEXT_FEATURES).float()
