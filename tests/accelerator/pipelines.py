"""Pipelines of every kind, small, and a call of each, for any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.pipelines.test_image import make_pipeline as make_image_pipeline
from tests.pipelines.test_text_to_speech import make as make_text_to_speech
from tests.pipelines.test_vocoder import N_MELS, make_vocoder

__all__ = ["PIPELINES"]


def _frames(count: int) -> torch.Tensor:
    return torch.randn(N_MELS, count, generator=torch.Generator().manual_seed(0)) - 2


def _waveforms(pipeline: Any, **options: Any) -> list[np.ndarray]:
    seeds = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    return list(pipeline([_frames(7), _frames(12)], num_inference_steps=3, generator=seeds, **options).audios)


def _speech(pipeline: Any) -> list[np.ndarray]:
    output = pipeline("Hello there, you two!", seed=0)
    return [*output.audios, *output.mels]


def _images(pipeline: Any) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    images = pipeline(["cat", "owl"], num_inference_steps=3, generator=generator, output_type="np").images
    return list(images)


# Name: how a pipeline is made, and what it gives.
PIPELINES: dict[str, tuple[Callable[[], Any], Callable[[Any], list[Any]]]] = {
    "vocoder, energy": (lambda: make_vocoder("energy"), _waveforms),
    "vocoder, spectrum": (lambda: make_vocoder("spectrum"), _waveforms),
    "vocoder, no prior": (lambda: make_vocoder("none"), _waveforms),
    "text to speech": (make_text_to_speech, _speech),
    "text to speech, FastSpeech 2": (lambda: make_text_to_speech(decoder="transformer"), _speech),
    "images": (make_image_pipeline, _images),
}
