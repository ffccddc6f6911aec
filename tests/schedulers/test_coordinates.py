"""A linear solver steps in cheaper coordinates than white ones, to the same result."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import DensePrior, DiagonalPrior, GaussianPrior, with_prior
from priordiff.schedulers import coordinates, scheduler_classes
from tests.schedulers.identity import coordinates_of_float32

SHAPE = (2, 3, 2, 4)
# These round to float32 inside, or read their noise levels from float32 tables outside the solver.
ROUGH = {
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_prior(structure: str, mean: Tensor | float) -> GaussianPrior:
    if structure == "diagonal":
        return DiagonalPrior(mean, random(*SHAPE, seed=2).abs() + 0.3)
    matrix = 0.2 * random(24, 24, seed=3)
    return DensePrior(mean, matrix @ matrix.mT + 0.3 * torch.eye(24, dtype=torch.float64))


def sample(scheduler: Any, prior: GaussianPrior) -> list[Tensor]:
    """Everything that the steps return, on the way from the same noise with the same white denoiser."""
    scheduler.set_prior(prior)
    scheduler.set_timesteps(6)
    parameters = inspect.signature(scheduler.step).parameters
    options: dict[str, Any] = {"return_dict": False}
    if "generator" in parameters:
        options["generator"] = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    if "eta" in parameters:
        options["eta"] = 0.7
    x, returned = random(*SHAPE) * scheduler.init_noise_sigma, []
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t)
        if scheduler.model_space == "white":
            output = 0.3 * seen + 0.1 * seen.sin()
        else:
            white = prior.whiten(seen)
            output = prior.color(0.3 * white + 0.1 * white.sin())
        results = scheduler.step(output, t, x, **options)
        returned += [result.clone() for result in results]
        x = results[0]
    return returned


def clips_by_choice(name: str) -> bool:
    return "clip_sample" in inspect.signature(scheduler_classes()[name].__init__).parameters


NAMES = sorted(coordinates.LINEAR_SOLVERS)


@pytest.mark.parametrize("model_space", ["centered", "white"])
@pytest.mark.parametrize("mean", [0.0, random(*SHAPE, seed=1)], ids=["mean 0", "mean"])
@pytest.mark.parametrize("structure", ["diagonal", "dense"])
@pytest.mark.parametrize(
    ("name", "clips"), [(name, clips) for name in NAMES for clips in {False, clips_by_choice(name)}]
)
def test_a_linear_solver_lets_the_covariance_through(
    name: str,
    structure: str,
    mean: Tensor | float,
    model_space: str,
    clips: bool,
) -> None:
    plain = scheduler_classes()[name]
    scheduler = with_prior(plain(clip_sample=clips) if clips_by_choice(name) else plain(), model_space)
    prior = make_prior(structure, mean)
    expected = sample(scheduler, prior)
    tolerance = {"rtol": 1e-6, "atol": 1e-5} if name in ROUGH else {"rtol": 1e-10, "atol": 1e-10}
    with coordinates_of_float32():
        torch.testing.assert_close(sample(scheduler, prior), expected, **tolerance)


def unclipped(name: str) -> Any:
    return with_prior(scheduler_classes()[name](**{"clip_sample": False} if clips_by_choice(name) else {}))


@pytest.mark.parametrize("name", NAMES)
def test_float32_takes_the_cheap_coordinates_and_agrees_with_float64(name: str) -> None:
    scheduler = unclipped(name)
    prior = make_prior("diagonal", random(*SHAPE, seed=1))
    scheduler.set_timesteps(4)
    scheduler.is_scale_input_called = True
    x, output = random(*SHAPE), 0.3 * random(*SHAPE, seed=5)
    call = {"model_output": output.float(), "timestep": scheduler.timesteps[0], "sample": x.float()}
    rough = prior.to(torch.float32)
    scheduler.set_prior(rough)
    used = coordinates.coordinates_for(scheduler, "step", rough, call)
    assert not isinstance(used, coordinates.WhiteCoordinates)
    result = scheduler.step(**call, return_dict=False)[0]
    scheduler = unclipped(name)
    scheduler.set_timesteps(4)
    scheduler.is_scale_input_called = True
    scheduler.set_prior(prior)
    exact = scheduler.step(output, scheduler.timesteps[0], x, return_dict=False)[0]
    if "generator" not in inspect.signature(scheduler.step).parameters:
        torch.testing.assert_close(result.double(), exact, rtol=1e-4, atol=1e-4)


def test_a_solver_that_keeps_what_it_returns_still_has_it_white() -> None:
    class Keeping(scheduler_classes()["DDIMScheduler"]):  # type: ignore[misc]
        def step(self, *args: Any, **kwargs: Any) -> Any:
            result = super().step(*args, **kwargs)
            self.kept = [result[0] if isinstance(result, tuple) else result.prev_sample]
            return result

    scheduler = with_prior(Keeping(clip_sample=False))
    scheduler.set_prior(DiagonalPrior(100.0, torch.full((1, 4), 0.5)))
    scheduler.set_timesteps(2)
    x = scheduler.step(torch.zeros(3, 4), scheduler.timesteps[0], torch.full((3, 4), 100.5))[0]
    assert float(scheduler.kept[0].abs().max()) < 10 < float(x.min())


def test_no_tensor_of_the_caller_is_overwritten() -> None:
    for clips in (True, False):
        scheduler = with_prior(
            scheduler_classes()["DDIMScheduler"](prediction_type="sample", clip_sample=clips)
        )
        for model_space in ("centered", "data", "white"):
            scheduler = with_prior(scheduler, model_space)
            for mean in (0.0, torch.ones(1, 4)):
                scheduler.set_prior(DiagonalPrior(mean, torch.full((1, 4), 0.5)))
                scheduler.set_timesteps(3)
                x, output = torch.full((2, 4), 0.7), torch.full((2, 4), 0.2)
                for t in scheduler.timesteps:
                    scheduler.step(output, t, x)
                assert torch.equal(x, torch.full((2, 4), 0.7))
                assert torch.equal(output, torch.full((2, 4), 0.2))


def gradients(
    name: str, options: dict[str, Any], model_space: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Those of a sample's mean square, by the parameters of the prior."""
    mean, log_std = (0.3 * random(*SHAPE, seed=seed).to(dtype).requires_grad_() for seed in (1, 2))
    scheduler = with_prior(scheduler_classes()[name](**options), model_space)
    scheduler.set_prior(DiagonalPrior(mean, log_std.exp()))
    scheduler.set_timesteps(4)
    x = random(*SHAPE).to(dtype) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(0.5 * scheduler.scale_model_input(x, t).tanh(), t, x, return_dict=False)[0]
    return torch.autograd.grad(x.square().mean(), (mean, log_std))


@pytest.mark.parametrize("model_space", ["centered", "data", "white"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DDIMScheduler", {"clip_sample": True}),
        ("DDIMScheduler", {"clip_sample": False}),
        ("DDIMScheduler", {"clip_sample": False, "thresholding": True}),
        ("DPMSolverMultistepScheduler", {}),
        ("EulerDiscreteScheduler", {}),
    ],
    ids=str,
)
def test_gradients_reach_the_prior_through_cheap_steps_too(
    name: str, options: dict[str, Any], model_space: str
) -> None:
    exact = gradients(name, options, model_space, torch.float64)
    for rough, expected in zip(gradients(name, options, model_space, torch.float32), exact, strict=True):
        torch.testing.assert_close(
            rough.double(), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
        )
