from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, PriorGradScheduler

MODEL_SPACES = ["centered", "data", "white"]
PREDICTION_TYPES = ["epsilon", "sample", "v_prediction"]
FAST6 = [1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5]
FAST12 = [1e-4, 5e-4, 8e-4, 1e-3, 5e-3, 8e-3, 0.01, 0.05, 0.08, 0.1, 0.2, 0.5]
TRAIN_LEVELS = np.cumprod(1 - np.linspace(1e-4, 0.05, 50))

Denoiser = Callable[[Tensor, Tensor], Tensor]


def white_denoiser(z: Tensor, t: Tensor) -> Tensor:
    """Any nonlinear function whose output depends on all the elements of an item."""
    return torch.tanh(z.cumsum(-1) * 0.3 + z.flip(-1) + float(t) / 50)


def in_model_space(prior: GaussianPrior, space: str, prediction_type: str) -> Denoiser:
    """The network that is `white_denoiser` to someone who works in white space; whole timesteps only."""

    def denoiser(model_input: Tensor, t: Tensor) -> Tensor:
        level = TRAIN_LEVELS[int(t)]
        mean = {"centered": 0.0, "data": prior.mean, "white": 0.0}[space]
        color = (lambda z: z) if space == "white" else prior.color
        z = model_input if space == "white" else prior.whiten(model_input - mean)
        noise = white_denoiser(z, t)
        x0 = mean + color((z - math.sqrt(1 - level) * noise) / math.sqrt(level))
        targets = {
            "epsilon": color(noise),
            "sample": x0,
            "v_prediction": math.sqrt(level) * color(noise) - math.sqrt(1 - level) * x0,
        }
        return targets[prediction_type]

    return denoiser


def sample_loop(
    scheduler: PriorGradScheduler, denoiser: Denoiser, white_noise: Tensor, seed: int = 0
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = [white_noise * scheduler.init_noise_sigma]
    for t in scheduler.timesteps:
        output = denoiser(scheduler.scale_model_input(states[-1], t), t)
        states.append(scheduler.step(output, t, states[-1], generator=generator).prev_sample)
    return states


def algorithm_2(prior: GaussianPrior, betas: list[float], denoiser: Denoiser, draws: list[Tensor]) -> Tensor:
    """The paper's sampler, as it is printed; draw 0 starts, draws 1, 2, … are the steps' noise in order."""
    levels = np.cumprod(1 - np.array(betas))
    x = prior.color(draws[0])
    for s in reversed(range(len(betas))):
        t = next(
            t
            + (TRAIN_LEVELS[t] ** 0.5 - levels[s] ** 0.5)
            / (TRAIN_LEVELS[t] ** 0.5 - TRAIN_LEVELS[t + 1] ** 0.5)
            for t in range(49)
            if TRAIN_LEVELS[t + 1] * (1 - 1e-12) <= levels[s] <= TRAIN_LEVELS[t] * (1 + 1e-12)
        )
        x = (x - betas[s] / math.sqrt(1 - levels[s]) * denoiser(x, t)) / math.sqrt(1 - betas[s])
        if s > 0:
            sigma = math.sqrt((1 - levels[s - 1]) / (1 - levels[s]) * betas[s])
            x = x + sigma * prior.color(draws[len(betas) - s])
    return x + prior.mean


@pytest.mark.parametrize("betas", [FAST6, FAST12, np.linspace(1e-4, 0.05, 50).tolist(), [0.02, 0.1, 0.3]])
def test_it_is_the_algorithm_of_the_paper(betas: list[float], prior: GaussianPrior) -> None:
    def denoiser(x: Tensor, t: Tensor | float) -> Tensor:
        # A float32 timestep must not hide an error of the step itself.
        return prior.color(white_denoiser(prior.whiten(x), np.float32(t)))

    draws = list(torch.randn(len(betas), 3, 1, 8, dtype=torch.float64))
    scheduler = PriorGradScheduler()
    scheduler.set_prior(prior)
    scheduler.set_timesteps(betas=betas)
    x = draws[0] * scheduler.init_noise_sigma
    for i, t in enumerate(scheduler.timesteps):
        noise = draws[(i + 1) % len(draws)]
        x = scheduler.step(
            denoiser(scheduler.scale_model_input(x, t), t), t, x, variance_noise=noise
        ).prev_sample
    torch.testing.assert_close(x, algorithm_2(prior, betas, denoiser, draws), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_states_are_the_coloured_states_without_a_prior(
    model_space: str, prediction_type: str, prior: GaussianPrior, white_noise: Tensor
) -> None:
    expected = sample_loop(PriorGradScheduler(), white_denoiser, white_noise)
    scheduler = PriorGradScheduler(prediction_type=prediction_type, model_space=model_space)
    scheduler.set_prior(prior)
    states = sample_loop(scheduler, in_model_space(prior, model_space, prediction_type), white_noise)
    for state, z in zip(states, expected, strict=True):
        torch.testing.assert_close(state, prior.mean + prior.color(z), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_the_standard_prior_changes_no_bit(
    model_space: str, prediction_type: str, white_noise: Tensor
) -> None:
    white_noise = white_noise.float()
    scheduler = PriorGradScheduler(
        prediction_type=prediction_type, model_space=model_space, clip_prev_sample=1.0
    )
    scheduler.set_timesteps(6)
    expected = sample_loop(scheduler, white_denoiser, white_noise)
    scheduler.set_prior(DiagonalPrior(0.0, torch.ones(3, 1, 8)))
    states = sample_loop(scheduler, white_denoiser, white_noise)
    assert all(torch.equal(state, z) for state, z in zip(states, expected, strict=True))
    scheduler.set_prior(None)
    assert scheduler.init_noise_sigma == 1.0
    assert isinstance(scheduler.init_noise_sigma, float)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("step", [0, 2, 5])
def test_the_training_target_as_output_finds_the_data(
    step: int, model_space: str, prediction_type: str, prior: GaussianPrior, x0: Tensor, white_noise: Tensor
) -> None:
    scheduler = PriorGradScheduler(prediction_type=prediction_type, model_space=model_space)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(6)
    t = scheduler.timesteps[step]
    timesteps = t.repeat(len(x0))
    x_t = scheduler.add_noise(x0, white_noise, timesteps)
    output = scheduler.step(scheduler.training_target(x0, white_noise, timesteps), t, x_t)
    torch.testing.assert_close(output.pred_original_sample, x0, rtol=1e-6, atol=1e-6)
    if step == 5:
        torch.testing.assert_close(output.prev_sample, x0, rtol=1e-6, atol=1e-6)


def test_noise_is_added_as_in_the_paper_to_each_item_at_its_step(
    prior: GaussianPrior, x0: Tensor, white_noise: Tensor
) -> None:
    scheduler = PriorGradScheduler()
    scheduler.set_prior(prior)
    levels = torch.from_numpy(TRAIN_LEVELS)[[0, 7, 49], None, None]
    expected = prior.mean + levels.sqrt() * (x0 - prior.mean) + (1 - levels).sqrt() * prior.color(white_noise)
    noisy = scheduler.add_noise(x0, white_noise, torch.tensor([0, 7, 49]))
    torch.testing.assert_close(noisy, expected, rtol=1e-12, atol=1e-12)
    for bad in (-1, 50):
        with pytest.raises(ValueError, match="not all from 0 to 49"):
            scheduler.add_noise(x0, white_noise, torch.tensor([0, bad, 1]))


def test_the_state_is_clamped_after_each_step(prior: GaussianPrior, white_noise: Tensor) -> None:
    scheduler = PriorGradScheduler(clip_prev_sample=0.7)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(6)
    states = sample_loop(scheduler, in_model_space(prior, "centered", "epsilon"), 3 * white_noise)
    assert all(state.abs().max() <= 0.7 for state in states[1:])
    assert states[0].abs().max() > 0.7


def test_given_noise_is_white_and_a_generator_serves_each_item(
    prior: GaussianPrior, white_noise: Tensor
) -> None:
    scheduler = PriorGradScheduler()
    scheduler.set_prior(prior)
    scheduler.set_timesteps(6)
    t = scheduler.timesteps[0]
    x = prior.mean + prior.color(white_noise)
    still = scheduler.step(x, t, x, variance_noise=torch.zeros_like(x)).prev_sample
    moved = scheduler.step(x, t, x, variance_noise=white_noise).prev_sample
    sigma = math.sqrt(0.5 * (1 - np.prod(1 - np.array(FAST6[:5]))) / (1 - np.prod(1 - np.array(FAST6))))
    torch.testing.assert_close(moved - still, sigma * prior.color(white_noise), rtol=1e-10, atol=1e-10)

    drawn = scheduler.step(x, t, x, [torch.Generator().manual_seed(i) for i in range(3)]).prev_sample
    noise = [
        torch.randn(1, 1, 8, dtype=x.dtype, generator=torch.Generator().manual_seed(i)) for i in range(3)
    ]
    assert torch.equal(drawn, scheduler.step(x, t, x, variance_noise=torch.cat(noise)).prev_sample)


def test_numbers_of_steps_stand_for_the_published_lists() -> None:
    scheduler, by_betas = PriorGradScheduler(), PriorGradScheduler()
    for betas in (FAST6, FAST12):
        scheduler.set_timesteps(len(betas))
        by_betas.set_timesteps(betas=torch.tensor(betas))
        torch.testing.assert_close(scheduler.timesteps, by_betas.timesteps, rtol=1e-4, atol=1e-4)
        assert scheduler.num_inference_steps == len(betas)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(49, -1, -1))
    assert scheduler.timesteps.is_floating_point()


@pytest.mark.parametrize(
    "schedule", [(1, 0.3, 0.3), (2, 1e-4, 0.5), (50, 1e-4, 0.05), (400, 1e-4, 0.05), (9, 0.1, 0.1)]
)
def test_any_number_of_steps_up_to_those_of_training_works(schedule: tuple[int, float, float]) -> None:
    scheduler = PriorGradScheduler(*schedule)
    last = schedule[0] - 1
    for count in {*range(1, min(last, 60) + 2), last + 1}:
        scheduler.set_timesteps(count)
        timesteps = scheduler.timesteps
        assert timesteps.shape == (count,)
        assert (timesteps.diff() < 0).all()
        if count not in (6, 12) or schedule != (50, 1e-4, 0.05):
            assert timesteps[0] == pytest.approx(last)
        if count > 1:
            assert timesteps[-1] == pytest.approx(0, abs=1e-6)
    for count in (0, last + 2):
        with pytest.raises(ValueError, match=f"num_inference_steps={count}, expected 1 to"):
            scheduler.set_timesteps(count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"betas": [1e-5, 1e-3]}, "beta=1e-05 .* choose larger"),
        ({"betas": [1e-4, 0.5, 0.7]}, "beta=0.7 .* choose smaller"),
        ({"betas": [0.05, 0.01]}, "not increasing"),
        ({"betas": [0.01, 0.01]}, "not increasing"),
        ({"betas": [0.01, 1.5]}, r"betas\[1\]=1.5"),
        ({"betas": [math.nan]}, r"betas\[0\]=nan"),
        ({"betas": []}, "at least one beta"),
        ({"betas": np.linspace(1e-4, 2e-4, 51)}, "51 betas"),
        ({"betas": [0.01], "num_inference_steps": 1}, "exactly one of the three"),
        ({}, "exactly one of the three"),
    ],
)
def test_steps_that_training_does_not_cover_are_an_error(arguments: dict, message: str) -> None:
    scheduler = PriorGradScheduler()
    with pytest.raises(ValueError, match=message) as error:
        scheduler.set_timesteps(**arguments)
    assert "\n" not in str(error.value)
    assert len(scheduler.timesteps) == 50


@pytest.mark.parametrize(
    "config",
    [
        {"num_train_timesteps": 0},
        {"beta_start": 0.0},
        {"beta_end": 1.0},
        {"prediction_type": "noise"},
        {"model_space": "pink"},
        {"clip_prev_sample": -1.0},
        {"trained_betas": [0.1, 1.5]},
        {"trained_betas": [0.1, math.nan]},
    ],
)
def test_a_configuration_out_of_range_is_an_error_that_names_it(config: dict) -> None:
    ((name, value),) = config.items()
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        PriorGradScheduler(**config)


def test_a_timestep_of_another_list_is_an_error(white_noise: Tensor) -> None:
    scheduler = PriorGradScheduler()
    scheduler.set_timesteps(6)
    with pytest.raises(ValueError, match="timestep=7 is not one of"):
        scheduler.step(white_noise, 7, white_noise)


def test_the_configuration_is_saved_and_the_prior_is_not(tmp_path, prior: GaussianPrior) -> None:
    scheduler = PriorGradScheduler(20, 1e-3, 0.1, "v_prediction", clip_prev_sample=1.0, model_space="white")
    scheduler.set_prior(prior)
    assert copy.deepcopy(scheduler).prior is not None
    scheduler.save_pretrained(tmp_path)
    loaded = PriorGradScheduler.from_pretrained(tmp_path)
    assert dict(loaded.config) == dict(scheduler.config)
    assert loaded.prior is None


@pytest.mark.parametrize(("variance_type", "spread"), [("fixed_large", 1.0), ("fixed_small", 0.709)])
def test_few_steps_keep_the_spread_of_data_that_follow_the_prior_only_with_the_large_variance(
    variance_type: str, spread: float
) -> None:
    scheduler = PriorGradScheduler(
        beta_end=0.25, prediction_type="v_prediction", variance_type=variance_type, model_space="white"
    )
    scheduler.set_prior(DiagonalPrior(3.0, 0.2))
    scheduler.set_timesteps(6)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 100_000, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        # The exact velocity of white data is zero in the mean.
        x = scheduler.step(torch.zeros_like(x), t, x, generator=generator).prev_sample
    assert x.mean() == pytest.approx(3.0, abs=0.01)
    assert x.std() == pytest.approx(0.2 * spread, rel=0.01)


def test_an_unknown_variance_type_is_named() -> None:
    for name in ("small", "fixed_large_log"):  # the latter is NaN in diffusers
        with pytest.raises(ValueError, match=f"variance_type='{name}', expected one of 'fixed_small'"):
            PriorGradScheduler(variance_type=name)


DDPM_OPTIONS = [
    {},
    {"beta_schedule": "scaled_linear", "prediction_type": "v_prediction", "clip_sample": False},
    {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample", "clip_sample_range": 0.5},
    {
        "beta_schedule": "sigmoid",
        "thresholding": True,
        "sample_max_value": 1.5,
        "timestep_spacing": "linspace",
    },
    {"trained_betas": [0.01 * (1 + step) for step in range(20)], "timestep_spacing": "trailing"},
    {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    {"variance_type": "fixed_small_log", "steps_offset": 1},
    {"variance_type": "fixed_large"},
    {"variance_type": "learned"},
    {"variance_type": "learned_range", "clip_sample": False},
]


@pytest.mark.parametrize("options", DDPM_OPTIONS, ids=str)
def test_with_white_noise_it_is_ddpm_bit_for_bit(options: dict) -> None:
    plain = DDPMScheduler(num_train_timesteps=20, **options)
    learns_variance = plain.config.variance_type.startswith("learned")
    white_noise = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(0))

    def network(x: Tensor, t: Tensor) -> Tensor:
        output = white_denoiser(x, t)
        return torch.cat([output, output.sigmoid()], dim=1) if learns_variance else output

    def states(scheduler: DDPMScheduler, steps: int | None) -> list[Tensor]:
        if steps is not None:
            scheduler.set_timesteps(steps)
        return sample_loop(scheduler, network, white_noise)

    own = PriorGradScheduler(num_train_timesteps=20, beta_end=0.02, clip_sample=True)
    for steps in (None, 20, 4) if "steps_offset" not in options else (4,):
        expected = states(plain, steps)
        assert all(state.isfinite().all() for state in expected)
        scheduler = PriorGradScheduler.from_config(plain.config)
        for each in [scheduler] if options or steps == 4 else [scheduler, own]:
            for prior in (None, DiagonalPrior(0.0, torch.ones(3, 2, 8))):
                each.set_prior(prior)
                found = states(each, steps)
                assert all(torch.equal(x, z) for x, z in zip(found, expected, strict=True))
        timesteps = torch.tensor([0, 7, 19])
        for method in ("add_noise", "get_velocity"):
            arguments = (white_noise, white_noise.flip(0), timesteps)
            assert torch.equal(getattr(scheduler, method)(*arguments), getattr(plain, method)(*arguments))


@pytest.mark.parametrize("options", DDPM_OPTIONS, ids=str)
def test_every_option_of_ddpm_means_the_same_under_a_prior(options: dict, prior: GaussianPrior) -> None:
    acts_on_data = {"clip_sample": False, "thresholding": False}
    plain = DDPMScheduler(num_train_timesteps=20, **{**options, **acts_on_data})
    scheduler = PriorGradScheduler.from_config(plain.config)
    learns_variance = plain.config.variance_type.startswith("learned")
    white_noise = torch.randn(3, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    runs = []
    for each, space in ((plain, None), (scheduler, prior)):
        if space is not None:
            each.set_prior(prior)
        each.set_timesteps(4)

        def network(x: Tensor, t: Tensor, space: GaussianPrior | None = space) -> Tensor:
            output = white_denoiser(x if space is None else space.whiten(x), t)
            variance = [output.sigmoid()] if learns_variance else []
            return torch.cat([output if space is None else space.color(output), *variance], dim=1)

        runs.append(sample_loop(each, network, white_noise))
    for x, z in zip(runs[1], runs[0], strict=True):
        torch.testing.assert_close(x, prior.to_data(z), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "variance_type", ["fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"]
)
@pytest.mark.parametrize("spacing", ["angle", "leading"])
def test_noise_that_the_caller_has_drawn_is_as_good_as_the_generator_s(
    variance_type: str, spacing: str
) -> None:
    scheduler = PriorGradScheduler(variance_type=variance_type, timestep_spacing=spacing)
    scheduler.set_timesteps(5)
    x, seed = torch.randn(3, 1, 8, generator=torch.Generator().manual_seed(0)), 3
    output = torch.cat([x.flip(0), x.sigmoid()], 1) if variance_type.startswith("learned") else x.flip(0)
    before = torch.get_rng_state()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    for t in scheduler.timesteps:
        drawn = scheduler.step(output, t, x, torch.Generator().manual_seed(seed)).prev_sample
        assert torch.equal(scheduler.step(output, t, x, variance_noise=noise).prev_sample, drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_betas_of_the_caller_s_own_are_the_training_schedule_and_say_how_long_it_is() -> None:
    scheduler = PriorGradScheduler.from_config(DDPMScheduler(trained_betas=[0.1, 0.2, 0.3]).config)
    assert len(scheduler) == scheduler.config.num_train_timesteps == 3
    scheduler.set_timesteps(3)
    assert scheduler.timesteps.tolist() == [2, 1, 0]
