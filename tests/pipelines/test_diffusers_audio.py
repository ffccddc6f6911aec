from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from priordiff import LappedPrior, with_prior
from tests.pipelines.tiny import PROMPTS, embeddings, stable_audio
from tests.pipelines.white_space import assert_coloured, run

AUDIO = (3, 16)  # channels and samples of the latent audio
HOP_LENGTH = 4
SOLVERS = ["EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"]
ARGUMENTS = {
    "prompt": PROMPTS,
    "negative_prompt": ["low quality", "noise"],
    "num_waveforms_per_prompt": 2,
    "guidance_scale": 3.0,
    "num_inference_steps": 3,
}


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.manual_seed(0)
    return stable_audio()


def prior_per_prompt() -> LappedPrior:
    """Noise whose spectrum changes in time, of a mean of its own for each prompt."""
    channels, samples = AUDIO
    blocks = (len(PROMPTS), channels, samples // HOP_LENGTH, HOP_LENGTH)
    std = 0.5 + embeddings(*blocks, seed=2).abs()
    return LappedPrior(embeddings(len(PROMPTS), *AUDIO, seed=1), std, HOP_LENGTH)


def solver(pipe: Any, name: str) -> Any:
    return getattr(diffusers, name).from_config(pipe.scheduler.config)


@pytest.mark.parametrize("name", SOLVERS)
def test_without_a_prior_no_bit_of_the_audio_changes(pipe: Any, name: str) -> None:
    scheduler = solver(pipe, name)
    plain = run(pipe, scheduler, **ARGUMENTS)
    assert torch.equal(run(pipe, with_prior(scheduler), **ARGUMENTS), plain)


@pytest.mark.parametrize("name", SOLVERS)
def test_noise_whose_spectrum_varies_in_time(pipe: Any, name: str) -> None:
    prior = prior_per_prompt().repeat_interleave(2)
    assert_coloured(pipe, solver(pipe, name), prior, output_type="latent", **ARGUMENTS)
