"""Latent diffusion as diffusers has it, and the estimators of images in its pipelines."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from priordiff import (
    ClassMomentsEstimator,
    GaussianPrior,
    LowRankEstimator,
    PriorEstimator,
    ResidualEstimator,
    apply_prior,
    with_prior,
)
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    dense_prior,
    diagonal_prior,
    dit,
    latent_super_resolution,
    stable_diffusion,
    unconditional_latent_diffusion,
)
from tests.pipelines.white_space import assert_close, assert_coloured, coloured_states, run, states

STEPS = {"num_inference_steps": 3}
BATCH = 2


@pytest.fixture(scope="module")
def ldm() -> Any:
    torch.manual_seed(0)
    return unconditional_latent_diffusion().to(torch.float32)  # as it draws its noise


@pytest.mark.parametrize("make_prior", [diagonal_prior, dense_prior])
def test_unconditional_latent_diffusion_starts_from_its_prior(ldm: Any, make_prior: Any) -> None:
    arguments = {"batch_size": BATCH, "output_type": "np", **STEPS}
    plain = run(ldm, ldm.scheduler, **arguments)
    assert torch.equal(run(ldm, with_prior(ldm.scheduler), **arguments), plain)
    prior = make_prior(BATCH, *LATENT).to(torch.float32)
    assert_coloured(ldm, ldm.scheduler, prior, tolerance=1e-5, **arguments)


def test_latent_super_resolution_scales_what_it_is_given_with_its_state_which_is_refused() -> None:
    pipe = apply_prior(latent_super_resolution(), lambda image: diagonal_prior(BATCH, 3, 8, 8))
    with pytest.raises(ValueError, match=r"events of shape \(3, 8, 8\), which does not fit .*\(2, 6, 8, 8\)"):
        pipe(image=torch.rand(BATCH, 3, 8, 8), num_inference_steps=2)


def low_rank() -> LowRankEstimator:
    return LowRankEstimator(LATENT, rank=2)


def of_classes() -> ClassMomentsEstimator:
    return ClassMomentsEstimator(3, LATENT)


def of_classes_and_directions() -> ResidualEstimator:
    return ResidualEstimator(of_classes(), low_rank())


def fitted(make: Callable[[], PriorEstimator]) -> Callable[..., GaussianPrior]:
    """From labels to the prior that an estimator finds in latents of three classes."""
    labels, random = torch.arange(30) % 3, torch.Generator().manual_seed(1)
    latents = labels[:, None, None, None] + torch.randn(30, *LATENT, generator=random)
    estimator = make().fit([latents] if make is low_rank else [(labels, latents)])
    estimator.double()
    return lambda labels: estimator() if make is low_rank else estimator(labels)


@pytest.mark.parametrize("make", [low_rank, of_classes, of_classes_and_directions])
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_a_dit_has_the_prior_that_an_estimator_finds_in_its_classes(
    make: Callable[[], PriorEstimator], guidance_scale: float
) -> None:
    torch.manual_seed(0)
    pipe, prior_of, labels = dit(), fitted(make), [2, 0]
    prior = prior_of(torch.tensor(labels))
    arguments = {"class_labels": labels, "guidance_scale": guidance_scale, "output_type": "pt", **STEPS}
    applied = apply_prior(copy.copy(pipe), lambda class_labels: prior_of(torch.tensor(class_labels)))
    actual = states(applied, applied.scheduler, **arguments)
    assert_close(actual, coloured_states(pipe, pipe.scheduler, prior, "data", **arguments))


@pytest.mark.parametrize("make", [low_rank, of_classes, of_classes_and_directions])
def test_stable_diffusion_has_the_prior_that_an_estimator_finds_in_what_prompts_name(
    make: Callable[[], PriorEstimator],
) -> None:
    torch.manual_seed(0)
    pipe, prior_of = stable_diffusion(), fitted(make)

    def prior_of_prompts(prompt: list[str]) -> GaussianPrior:
        return prior_of(torch.tensor([2 if "fox" in each else 1 for each in prompt]))

    arguments = {"prompt": PROMPTS, "guidance_scale": 3.0, "output_type": "latent", **STEPS}
    applied = apply_prior(copy.copy(pipe), prior_of_prompts)
    actual = states(applied, applied.scheduler, num_images_per_prompt=2, **arguments)
    prior = prior_of_prompts(PROMPTS)
    repeated = prior if prior.batch_size == 1 else prior.repeat_interleave(2)
    expected = coloured_states(
        pipe, pipe.scheduler, repeated, "centered", num_images_per_prompt=2, **arguments
    )
    assert_close(actual, expected)
