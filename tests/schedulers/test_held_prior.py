"""The prior that a scheduler is told: where it starts, what it fits, and a loop that forgets it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior
from tests.schedulers.drivers import SUPPORTED, driver_of, make, sample, white_noise_for
from tests.schedulers.identity import diagonal_prior
from tests.schedulers.networks import MODEL_SPACES, white_network


@pytest.mark.parametrize("name", SUPPORTED)
def test_noise_times_init_noise_sigma_starts_at_the_prior(name: str) -> None:
    prior, white_noise = diagonal_prior(driver_of(name).event), white_noise_for(name)
    scheduler = make(name, prior=True)
    sample(scheduler, white_network, white_noise)  # some set σ with their timesteps
    sigma = scheduler.init_noise_sigma
    assert isinstance(sigma, int | float | Tensor)
    scheduler.set_prior(prior)
    expected = prior.mean + sigma * prior.color(white_noise)
    torch.testing.assert_close(white_noise * scheduler.init_noise_sigma, expected)
    torch.testing.assert_close(scheduler.init_noise_sigma * white_noise, expected)
    white_noise *= scheduler.init_noise_sigma
    torch.testing.assert_close(white_noise, expected)
    with pytest.raises(TypeError):
        white_noise + scheduler.init_noise_sigma
    scheduler.set_prior(None)
    assert scheduler.init_noise_sigma == sigma


def test_it_tells_the_prior_as_it_fits_what_the_network_sees() -> None:
    prior, x = diagonal_prior((2, 8)), white_noise_for("EulerDiscreteScheduler")
    scheduler = make("DDIMScheduler", prior=True)
    assert scheduler.prior_for(x) is None
    scheduler.set_prior(prior)
    twice = scheduler.prior_for(torch.cat([x] * 2).float())
    assert twice.mean.dtype == torch.float32
    assert torch.equal(twice.mean, torch.cat([prior.mean] * 2).float())
    with pytest.raises(ValueError, match="does not fit"):
        scheduler.prior_for(x[:2])


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_a_batch_that_is_doubled_for_guidance_holds_the_prior_twice(model_space: str) -> None:
    prior, x = diagonal_prior((2, 8)), white_noise_for("EulerDiscreteScheduler")
    scheduler = make("EulerDiscreteScheduler", prior=True, model_space=model_space)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[0]
    doubled = scheduler.scale_model_input(torch.cat([x, x]), t)
    assert torch.equal(doubled, torch.cat([scheduler.scale_model_input(x, t)] * 2))
    with pytest.raises(ValueError, match=r"holds 3 Gaussians .* does not fit data of shape \(4, 2, 8\)"):
        scheduler.scale_model_input(torch.cat([x, x[:1]]), t)


MISFITS = {
    "shape": (DiagonalPrior(0.0, torch.ones(1, 1, 7, dtype=torch.float64)), ["(1, 7)", "(3, 1, 8)"]),
    "batch": (DiagonalPrior(0.0, torch.ones(2, 1, 8, dtype=torch.float64)), ["2", "(3, 1, 8)"]),
    "dtype": (DiagonalPrior(0.0, torch.ones(1, 1, 8)), ["torch.float32", "torch.float64"]),
    "device": (DiagonalPrior(0.0, torch.ones(1, 1, 8, dtype=torch.float64)).to("meta"), ["meta", "cpu"]),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_prior_that_does_not_fit_is_an_error_at_the_first_use(misfit: str, white_noise: Tensor) -> None:
    prior, names = MISFITS[misfit]
    scheduler = make("DDIMScheduler", prior=True)
    scheduler.set_prior(prior)
    t = torch.tensor([10])
    uses = [
        lambda: white_noise * scheduler.init_noise_sigma,
        lambda: scheduler.add_noise(white_noise, white_noise, t),
        lambda: scheduler.scale_model_input(white_noise, t),
        lambda: scheduler.training_target(white_noise, white_noise, t),
        lambda: scheduler.get_velocity(white_noise, white_noise, t),
        lambda: scheduler.step(white_noise, 10, white_noise),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
            use()
        assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize("name", SUPPORTED)
def test_no_scheduler_samples_with_a_prior_that_does_not_fit(name: str) -> None:
    white_noise = white_noise_for(name)
    scheduler = make(name, prior=True)
    scheduler.set_prior(diagonal_prior((*driver_of(name).event[:-1], 5)))
    with pytest.raises(ValueError, match=r"5\), which does not fit data of shape \(3, "):
        sample(scheduler, white_network, white_noise)


def test_what_is_no_prior_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"\Aprior is a Tensor, expected a priordiff\.GaussianPrior or None\Z"
    ):
        make("DDIMScheduler", prior=True).set_prior(torch.ones(3))


def test_only_a_network_that_is_shown_the_states_themselves_is_warned_of(
    white_noise: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = make("DDIMScheduler", prior=True)
    for shows_input in (True, False):
        scheduler.set_prior(DiagonalPrior(1.0, 2.0))
        scheduler.set_timesteps(3)
        for t in scheduler.timesteps:
            x = scheduler.scale_model_input(white_noise, t) if shows_input else white_noise
            scheduler.step(x, t, white_noise)
        assert len(caplog.records) == (not shows_input)


@pytest.mark.parametrize("name", SUPPORTED)
def test_no_loop_of_diffusers_is_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    scheduler = make(name, prior=True)
    scheduler.set_prior(diagonal_prior(driver_of(name).event))
    sample(scheduler, white_network, white_noise_for(name))
    assert not [record for record in caplog.records if record.name.startswith("priordiff")]
