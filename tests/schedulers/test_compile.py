"""`torch.compile` of a sampling loop works under a prior as it does without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, LappedPrior, PriorGradScheduler
from tests.schedulers.drivers import SUPPORTED, driver_of, make, sample, white_noise_for
from tests.schedulers.identity import diagonal_prior
from tests.schedulers.networks import white_network

# One that clips; the others take minutes.
QUICK = ["DDIMScheduler"]
# diffusers' own code, or dynamo's, fails on them without a prior as well.
FAIL_PLAIN = [
    "DPMSolverSDEScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "PNDMScheduler",
]


def assert_compiles(loop: Any, white_noise: Tensor) -> None:
    torch._dynamo.reset()
    expected = loop(white_noise)
    torch.testing.assert_close(
        torch.compile(loop, backend="eager")(white_noise), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.filterwarnings("ignore::UserWarning")  # dynamo's, of what it looks through
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
        for name in SUPPORTED
        if name not in FAIL_PLAIN
    ],
)
def test_a_whole_sampling_is_compiled_to_the_same_result(name: str) -> None:
    scheduler = make(name, prior=True)
    scheduler.set_prior(diagonal_prior(driver_of(name).event).to(torch.float32))
    white_noise = white_noise_for(name, torch.float32)
    assert_compiles(lambda noise: sample(scheduler, white_network, noise, steps=3)[-1], white_noise)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "prior",
    [DiagonalPrior(0.5, torch.full((1, 1, 8), 0.3)), LappedPrior(0.5, torch.full((1, 1, 2, 4), 0.3), 4)],
    ids=["diagonal", "lapped"],
)
def test_so_is_the_paper_s_sampler(prior: Any) -> None:
    scheduler = PriorGradScheduler(clip_prev_sample=1.0)
    scheduler.set_prior(prior)

    def loop(white_noise: Tensor) -> Tensor:
        scheduler.set_timesteps(3)
        x, random = white_noise * scheduler.init_noise_sigma, torch.Generator().manual_seed(0)
        for t in scheduler.timesteps:
            output = 0.1 * scheduler.scale_model_input(x, t)
            x = scheduler.step(output, t, x, generator=random).prev_sample
        return x

    assert_compiles(loop, torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0)))
