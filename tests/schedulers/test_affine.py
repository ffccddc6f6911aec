"""The change of variables in a scheduler of diffusers: what goes in, comes out, and does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, with_prior
from tests.priors.cases import PRIORS
from tests.schedulers.drivers import make, sample, white_noise_for
from tests.schedulers.identity import diagonal_prior
from tests.schedulers.networks import MODEL_SPACES, network_for, white_network


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_noising_data_moves_it_from_the_mean_along_the_prior(
    model_space: str, prior: GaussianPrior, x0: Tensor, white_noise: Tensor
) -> None:
    scheduler = make("DDPMScheduler", prior=True, model_space=model_space)
    scheduler.set_prior(prior)
    t = torch.tensor([600, 20, 999])
    level = scheduler.alphas_cumprod[t].double().reshape(3, 1, 1)
    expected = prior.mean + level.sqrt() * (x0 - prior.mean) + (1 - level).sqrt() * prior.color(white_noise)
    torch.testing.assert_close(scheduler.add_noise(x0, white_noise, t), expected, rtol=1e-10, atol=1e-10)
    by_name = scheduler.add_noise(timesteps=t, noise=white_noise, original_samples=x0)
    torch.testing.assert_close(by_name, expected, rtol=1e-10, atol=1e-10)


def test_flows_are_noised_alike_under_both_names(
    prior: GaussianPrior, x0: Tensor, white_noise: Tensor
) -> None:
    scheduler = make("FlowMatchEulerDiscreteScheduler", prior=True)
    scheduler.set_prior(prior)
    t = scheduler.timesteps[torch.tensor([5, 400, 900])]
    sigma = (t / 1000).double().reshape(3, 1, 1)
    expected = prior.mean + (1 - sigma) * (x0 - prior.mean) + sigma * prior.color(white_noise)
    for noisy in (scheduler.scale_noise(x0, t, white_noise), scheduler.add_noise(x0, white_noise, t)):
        torch.testing.assert_close(noisy, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "EDMEulerScheduler"])
@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_the_network_sees_the_state_in_its_space_scaled_as_in_white_space(
    model_space: str, name: str, prior: GaussianPrior, white_noise: Tensor
) -> None:
    plain, scheduler = make(name), make(name, prior=True, model_space=model_space)
    for each in (plain, scheduler):
        each.set_timesteps(4)
    t = plain.timesteps[1]
    z = plain.scale_model_input(white_noise, t)
    centered = prior.color(z)
    expected = {"centered": centered, "data": prior.mean + centered, "white": z}[model_space]
    scheduler.set_prior(prior)
    x = prior.to_data(white_noise)
    torch.testing.assert_close(scheduler.scale_model_input(x, t), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        scheduler.scale_model_input(sample=x, timestep=t), expected, rtol=1e-6, atol=1e-6
    )


def test_a_plain_tuple_comes_back_in_data_space_too(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler", prior=True)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    arguments = (white_noise.roll(1), scheduler.timesteps[0], white_noise)
    output = scheduler.step(*arguments)
    prev_sample, pred_original_sample = scheduler.step(*arguments, return_dict=False)
    assert torch.equal(prev_sample, output.prev_sample)
    assert torch.equal(pred_original_sample, output.pred_original_sample)


def test_half_precision_stays_half_precision() -> None:
    white_noise = white_noise_for("DDIMScheduler", torch.bfloat16)
    scheduler = make("DDIMScheduler", prior=True)
    scheduler.set_prior(diagonal_prior((2, 8)).to(torch.bfloat16))
    states = sample(scheduler, white_network, white_noise)
    assert {state.dtype for state in states} == {torch.bfloat16}
    assert all(state.isfinite().all() for state in states)


def test_a_prior_that_is_more_precise_than_the_states_is_rounded_to_them() -> None:
    prior, white_noise = diagonal_prior((2, 8)), white_noise_for("DDIMScheduler", torch.bfloat16)
    runs = []
    for each in (prior, prior.to(torch.bfloat16)):
        scheduler = make("DDIMScheduler", prior=True)
        scheduler.set_prior(each)
        runs.append(sample(scheduler, white_network, white_noise))
    assert all(torch.equal(x, y) for x, y in zip(*runs, strict=True))


@pytest.mark.parametrize("structure", ["diagonal", "dense", "lapped"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "UniPCMultistepScheduler"])
def test_under_autocast_every_state_has_the_dtype_that_it_has_without_a_prior(
    name: str, dtype: torch.dtype, structure: str
) -> None:
    prior, weight = PRIORS[structure](3).to(torch.float32), torch.eye(8)

    def network(x: Tensor, t: Any) -> Tensor:
        return 0.5 * x @ weight  # autocast multiplies in bfloat16, whatever it is given

    for model_space in MODEL_SPACES:
        dtypes = []
        for each in (None, prior, prior.to(torch.bfloat16)):
            scheduler = make(name, prior=True, prediction_type="v_prediction", model_space=model_space)
            scheduler.set_prior(each)
            with torch.autocast("cpu", torch.bfloat16):
                states = sample(scheduler, network, white_noise_for(name, dtype))
            assert all(state.isfinite().all() for state in states)
            dtypes.append([state.dtype for state in states])
        assert dtypes[1] == dtypes[2] == dtypes[0]


def test_zero_terminal_snr_is_finite_with_a_mean_of_tensors() -> None:
    options = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}  # epsilon, which clips
    scheduler = make("DDIMScheduler", prior=True, **options)
    scheduler.set_prior(DiagonalPrior(torch.full((1, 2, 8), 0.2), 0.8))
    states = sample(scheduler, white_network, white_noise_for("DDIMScheduler", torch.float32))
    assert all(state.isfinite().all() for state in states)


def test_a_failing_step_leaves_the_prior_in_place(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler", prior=True)
    scheduler.set_prior(prior)
    config = scheduler.config
    with pytest.raises(ValueError, match="set_timesteps"):
        scheduler.step(white_noise, 10, white_noise)
    assert scheduler.prior is prior
    assert scheduler.config is config


def test_an_argument_of_unknown_meaning_is_an_error_that_names_it(white_noise: Tensor) -> None:
    class GuidedScheduler(DDIMScheduler):
        def step(self, model_output: Tensor, timestep: int, sample: Tensor, hint: Tensor) -> Tensor:
            return sample + hint

    scheduler = with_prior(GuidedScheduler())
    assert torch.equal(scheduler.step(white_noise, 3, white_noise, white_noise), 2 * white_noise)
    scheduler.set_prior(DiagonalPrior(0.0, 2.0))
    with pytest.raises(
        TypeError, match=r"GuidedScheduler takes a tensor 'hint' of the sample's shape \(3, 1, 8\)"
    ):
        scheduler.step(white_noise, 3, white_noise, white_noise)


@pytest.mark.parametrize(
    "name", ["DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler", "SASolverScheduler"]
)
def test_gradients_reach_the_prior_and_the_state_through_the_steps(name: str) -> None:
    def last_state(mean: Tensor, std: Tensor, white_noise: Tensor) -> Tensor:
        scheduler, prior = make(name, prior=True), DiagonalPrior(mean, std)
        scheduler.set_prior(prior)
        return sample(scheduler, network_for(scheduler, prior), white_noise, steps=2)[-1]

    prior, white_noise = diagonal_prior((1, 2), batch=1), white_noise_for(name)[:1, :1, :2]
    inputs = tuple(each.clone().requires_grad_() for each in (prior.mean, prior.std, white_noise))
    assert torch.autograd.gradcheck(last_state, inputs)


def test_no_tensor_of_the_caller_is_overwritten() -> None:
    for clips in (True, False):
        scheduler = make("DDIMScheduler", prior=True, prediction_type="sample", clip_sample=clips)
        for model_space in MODEL_SPACES:
            scheduler = with_prior(scheduler, model_space)
            for mean in (0.0, torch.ones(1, 4)):
                scheduler.set_prior(DiagonalPrior(mean, torch.full((1, 4), 0.5)))
                scheduler.set_timesteps(3)
                x, output = torch.full((2, 4), 0.7), torch.full((2, 4), 0.2)
                for t in scheduler.timesteps:
                    scheduler.step(output, t, x)
                assert torch.equal(x, torch.full((2, 4), 0.7))
                assert torch.equal(output, torch.full((2, 4), 0.2))


def test_what_a_solver_keeps_of_its_step_is_white() -> None:
    class Keeping(DDIMScheduler):
        def step(self, *args: Any, **kwargs: Any) -> Any:
            result = super().step(*args, **kwargs)
            self.kept = [result[0] if isinstance(result, tuple) else result.prev_sample]
            return result

    scheduler = with_prior(Keeping(clip_sample=False))
    scheduler.set_prior(DiagonalPrior(100.0, torch.full((1, 4), 0.5)))
    scheduler.set_timesteps(2)
    x = scheduler.step(torch.zeros(3, 4), scheduler.timesteps[0], torch.full((3, 4), 100.5))[0]
    assert float(scheduler.kept[0].abs().max()) < 10 < float(x.min())
