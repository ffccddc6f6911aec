"""The change of variables, in schedulers of diffusers that know nothing of it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import diffusers
import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior
from priordiff.schedulers import PriorSchedulerMixin

MODEL_SPACES = ["centered", "data", "white"]
PREDICTION_TYPES = ["epsilon", "sample", "v_prediction"]
# Euler computes in float32 inside.
SOLVERS = {
    "DDPMScheduler": ({"clip_sample": False}, 1e-10),
    "DDIMScheduler": ({"clip_sample": False}, 1e-10),
    "DPMSolverMultistepScheduler": ({"algorithm_type": "sde-dpmsolver++"}, 1e-10),
    "HeunDiscreteScheduler": ({}, 1e-10),
    "EulerDiscreteScheduler": ({}, 1e-5),
}


def with_prior_class(name: str) -> type:
    return type(f"Prior{name}", (PriorSchedulerMixin, getattr(diffusers, name)), {})


def make(name: str, model_space: str = "centered", **config: object) -> PriorSchedulerMixin:
    scheduler = with_prior_class(name)(**config)
    scheduler.register_to_config(model_space=model_space)
    return scheduler


def white_denoiser(z: Tensor, t: Tensor) -> Tensor:
    """Any nonlinear function whose output depends on all the elements of an item."""
    return torch.tanh(z.cumsum(-1) * 0.3 + z.flip(-1) + float(t) / 1000)


def in_model_space(
    prior: GaussianPrior, scheduler: PriorSchedulerMixin, prediction_type: str
) -> Callable[[Tensor, Tensor], Tensor]:
    """The network that is `white_denoiser` to someone who works in the scheduler's model space."""
    space = scheduler.config["model_space"]

    def denoiser(model_input: Tensor, t: Tensor) -> Tensor:
        if space == "white":
            return white_denoiser(model_input, t)
        mean = prior.mean if space == "data" else 0
        output = prior.color(white_denoiser(prior.whiten(model_input - mean), t))
        if hasattr(scheduler, "sigmas"):
            alpha_cumprod = 1 / (1 + float(scheduler.sigmas[:-1][scheduler.timesteps == t][0]) ** 2)
        else:
            alpha_cumprod = float(scheduler.alphas_cumprod[t])
        weight_of_data = {"epsilon": 0.0, "sample": 1.0, "v_prediction": -((1 - alpha_cumprod) ** 0.5)}
        return output + weight_of_data[prediction_type] * mean

    return denoiser


def sample_loop(
    scheduler: PriorSchedulerMixin, denoiser: Callable[[Tensor, Tensor], Tensor], white_noise: Tensor
) -> list[Tensor]:
    scheduler.set_timesteps(6)
    generator = torch.Generator().manual_seed(0)
    stochastic = (
        {"generator": generator} if not isinstance(scheduler, diffusers.HeunDiscreteScheduler) else {}
    )
    states = [white_noise * scheduler.init_noise_sigma]
    for t in scheduler.timesteps:
        output = denoiser(scheduler.scale_model_input(states[-1], t), t)
        states.append(scheduler.step(output, t, states[-1], **stochastic).prev_sample)
    return states


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", SOLVERS)
def test_states_are_the_coloured_states_of_the_plain_solver(
    name: str, model_space: str, prediction_type: str, prior: GaussianPrior, white_noise: Tensor
) -> None:
    config, tolerance = SOLVERS[name]
    plain = make(name, prediction_type=prediction_type, **config)
    scheduler = make(name, model_space, prediction_type=prediction_type, **config)
    expected = [prior.mean + prior.color(z) for z in sample_loop(plain, white_denoiser, white_noise)]
    scheduler.set_prior(prior)
    states = sample_loop(scheduler, in_model_space(prior, scheduler, prediction_type), white_noise)
    # The mean's weight in a velocity comes from a float32 table, like all that diffusers knows of a schedule.
    if model_space == "data" and prediction_type == "v_prediction":
        tolerance = max(tolerance, 1e-5)
    torch.testing.assert_close(
        states, expected, rtol=tolerance, atol=tolerance * expected[0].abs().max().item()
    )


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", SOLVERS)
def test_the_standard_prior_and_none_change_no_bit(name: str, model_space: str, white_noise: Tensor) -> None:
    plain = getattr(diffusers, name)()
    scheduler = make(name, model_space)
    expected = sample_loop(plain, white_denoiser, white_noise.float())
    for prior in (None, DiagonalPrior(0.0, torch.ones(1, 1, 8))):
        scheduler.set_prior(prior)
        states = sample_loop(scheduler, white_denoiser, white_noise.float())
        assert all(torch.equal(state, wanted) for state, wanted in zip(states, expected, strict=True))


def test_clipping_acts_on_the_data(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler", clip_sample=True, clip_sample_range=0.5)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[1]
    alpha, alpha_prev = scheduler.alphas_cumprod[t].double(), scheduler.alphas_cumprod[t - 250].double()
    x_t, epsilon = prior.mean + prior.color(white_noise), white_noise.roll(1)
    output = scheduler.step(prior.color(epsilon), t, x_t)

    z0 = (white_noise - (1 - alpha).sqrt() * epsilon) / alpha.sqrt()
    x0 = (prior.mean + prior.color(z0)).clamp(-0.5, 0.5)
    expected = (
        prior.mean + alpha_prev.sqrt() * (x0 - prior.mean) + (1 - alpha_prev).sqrt() * prior.color(epsilon)
    )
    assert (x0.abs() == 0.5).any()
    torch.testing.assert_close(output.pred_original_sample, x0, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(output.prev_sample, expected, rtol=1e-6, atol=1e-6)


def test_thresholding_acts_on_the_data(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler", thresholding=True, sample_max_value=1.0)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    output = scheduler.step(
        prior.color(-white_noise), scheduler.timesteps[1], prior.mean + prior.color(white_noise)
    )
    assert output.pred_original_sample.abs().max() == pytest.approx(1.0, abs=1e-6)


def test_a_learned_variance_is_handed_on_untouched(prior: GaussianPrior, white_noise: Tensor) -> None:
    options = {"clip_sample": False, "variance_type": "learned_range"}
    plain, scheduler = make("DDPMScheduler", **options), make("DDPMScheduler", **options)
    scheduler.set_prior(prior)
    epsilon, variance = white_noise.roll(1), white_noise.tanh()
    t = torch.tensor(500)
    z = plain.step(
        torch.cat([epsilon, variance], 1), t, white_noise, torch.Generator().manual_seed(0)
    ).prev_sample
    x = scheduler.step(
        torch.cat([prior.color(epsilon), variance], 1),
        t,
        prior.mean + prior.color(white_noise),
        torch.Generator().manual_seed(0),
    ).prev_sample
    torch.testing.assert_close(x, prior.mean + prior.color(z), rtol=1e-10, atol=1e-10)


def test_a_plain_tuple_comes_back_in_data_space_too(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler")
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    arguments = (white_noise.roll(1), scheduler.timesteps[0], white_noise)
    output = scheduler.step(*arguments)
    prev_sample, pred_original_sample = scheduler.step(*arguments, return_dict=False)
    assert torch.equal(prev_sample, output.prev_sample)
    assert torch.equal(pred_original_sample, output.pred_original_sample)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_one_step_with_the_training_target_as_output_finds_the_data(
    name: str, prediction_type: str, model_space: str, prior: GaussianPrior, x0: Tensor, white_noise: Tensor
) -> None:
    scheduler = make(name, model_space, prediction_type=prediction_type, clip_sample=False)
    scheduler.set_prior(prior)
    t = torch.tensor([600])
    x_t = scheduler.add_noise(x0, white_noise, t)
    alpha = scheduler.alphas_cumprod[600].double()
    expected = prior.mean + alpha.sqrt() * (x0 - prior.mean) + (1 - alpha).sqrt() * prior.color(white_noise)
    torch.testing.assert_close(x_t, expected, rtol=1e-10, atol=1e-10)
    scheduler.set_timesteps(10)
    target = scheduler.training_target(x0, white_noise, t)
    output = scheduler.step(target, torch.tensor(600), x_t)
    torch.testing.assert_close(output.pred_original_sample, x0, rtol=1e-5, atol=1e-5)


def test_without_a_prior_the_training_target_is_that_of_diffusers(x0: Tensor, white_noise: Tensor) -> None:
    t = torch.tensor([3, 500, 999])
    assert torch.equal(make("DDPMScheduler").training_target(x0, white_noise, t), white_noise)
    scheduler = make("DDPMScheduler", prediction_type="v_prediction")
    expected = scheduler.get_velocity(x0, white_noise, t)
    torch.testing.assert_close(scheduler.training_target(x0, white_noise, t), expected, rtol=1e-6, atol=1e-6)


def test_noise_times_init_noise_sigma_starts_at_the_prior(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("EulerDiscreteScheduler")
    scheduler.set_timesteps(5)
    sigma = scheduler.init_noise_sigma
    assert isinstance(sigma, Tensor)
    scheduler.set_prior(prior)
    expected = prior.mean + sigma * prior.color(white_noise)
    torch.testing.assert_close(white_noise * scheduler.init_noise_sigma, expected)
    torch.testing.assert_close(scheduler.init_noise_sigma * white_noise, expected)
    white_noise *= scheduler.init_noise_sigma
    torch.testing.assert_close(white_noise, expected)
    with pytest.raises(TypeError):
        white_noise + scheduler.init_noise_sigma


@pytest.mark.parametrize(
    ("misfit", "names"),
    [
        (DiagonalPrior(0.0, torch.ones(1, 1, 7, dtype=torch.float64)), ["(1, 7)", "(3, 1, 8)"]),
        (DiagonalPrior(0.0, torch.ones(2, 1, 8, dtype=torch.float64)), ["2", "(3, 1, 8)"]),
        (DiagonalPrior(0.0, torch.ones(1, 1, 8)), ["torch.float32", "torch.float64"]),
    ],
    ids=["shape", "batch", "dtype"],
)
def test_a_prior_that_does_not_fit_is_an_error_at_the_first_use(
    misfit: GaussianPrior, names: list[str], white_noise: Tensor
) -> None:
    scheduler = make("DDIMScheduler")
    scheduler.set_prior(misfit)
    t = torch.tensor([10])
    uses = [
        lambda: white_noise * scheduler.init_noise_sigma,
        lambda: scheduler.add_noise(white_noise, white_noise, t),
        lambda: scheduler.scale_model_input(white_noise, t),
        lambda: scheduler.training_target(white_noise, white_noise, t),
        lambda: scheduler.step(white_noise, 10, white_noise),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
            use()
        assert all(name in str(error.value) for name in names)


def test_a_prior_on_another_device_is_an_error_that_names_both(
    prior: GaussianPrior, white_noise: Tensor
) -> None:
    if not prior.event_shape:
        pytest.skip("numbers are on every device")
    scheduler = make("DDIMScheduler")
    scheduler.set_prior(prior)
    with pytest.raises(ValueError, match="is on cpu and the sample on meta"):
        white_noise.to("meta") * scheduler.init_noise_sigma


def test_what_is_no_prior_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a priordiff\.GaussianPrior"):
        make("DDIMScheduler").set_prior(torch.ones(3))


def test_a_failing_step_leaves_the_prior_in_place(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = make("DDIMScheduler")
    scheduler.set_prior(prior)
    with pytest.raises(ValueError, match="set_timesteps"):
        scheduler.step(white_noise, 10, white_noise)
    assert scheduler.prior is prior


def test_copies_do_not_share_a_prior(prior: GaussianPrior) -> None:
    scheduler = make("DDIMScheduler")
    other = copy.deepcopy(scheduler)
    scheduler.set_prior(prior)
    assert other.prior is None
    assert make("DDIMScheduler").prior is None
