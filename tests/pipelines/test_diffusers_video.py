from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from priordiff import KroneckerPrior, with_prior
from tests.pipelines.tiny import WIDTH, cogvideox, embeddings
from tests.pipelines.white_space import assert_coloured, run

VIDEO = (3, 2, 4, 4)  # frames, channels, height, width
PROMPTS = 2
SOLVERS = ["CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"]
ARGUMENTS = {
    "prompt_embeds": embeddings(PROMPTS, 3, WIDTH, seed=4).float(),
    "negative_prompt_embeds": embeddings(PROMPTS, 3, WIDTH, seed=5).float(),
    "guidance_scale": 3.0,
    "num_inference_steps": 3,
    "output_type": "latent",
}


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.manual_seed(0)
    return cogvideox()


def correlated_frames() -> KroneckerPrior:
    """Noise of which neighbouring frames share the more the nearer they are, more so in the second video."""
    distance = (torch.arange(VIDEO[0])[:, None] - torch.arange(VIDEO[0])).abs()
    covariance = torch.tensor([0.3, 0.8]).reshape(-1, 1, 1) ** distance
    return KroneckerPrior(embeddings(PROMPTS, *VIDEO, seed=6).float(), {1: covariance})


def solver(pipe: Any, name: str) -> Any:
    return getattr(diffusers, name).from_config(pipe.scheduler.config)


@pytest.mark.parametrize("name", SOLVERS)
def test_without_a_prior_no_bit_of_the_video_changes(pipe: Any, name: str) -> None:
    scheduler = solver(pipe, name)
    plain = run(pipe, scheduler, **ARGUMENTS)
    assert torch.equal(run(pipe, with_prior(scheduler), **ARGUMENTS), plain)


@pytest.mark.parametrize("name", SOLVERS)
def test_noise_that_is_correlated_over_frames(pipe: Any, name: str) -> None:
    assert_coloured(pipe, solver(pipe, name), correlated_frames(), tolerance=1e-5, **ARGUMENTS)
