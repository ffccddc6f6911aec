from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from priordiff import DiagonalPrior, PriorGradScheduler, SpectralPrior, prior_loss
from priordiff.estimators import LearnedDiagonalEstimator, prior_nll


def true_moments(c: Tensor) -> tuple[Tensor, Tensor]:
    return 2 * c, 0.4 + 0.2 * c


def train(
    nll_weight: float = 0.0, detached: bool = False, weighted: bool = True, steps: int = 400
) -> tuple[LearnedDiagonalEstimator, float]:
    """Trains an estimator with a denoiser on numbers; the estimator and σ over the true one on average."""
    torch.manual_seed(0)
    estimator = LearnedDiagonalEstimator(
        nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 2)), floor=0.01
    )
    denoiser = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
    scheduler = PriorGradScheduler()
    optimizer = torch.optim.Adam([*estimator.parameters(), *denoiser.parameters()], lr=1e-2)
    for _ in range(steps):
        c = 2 * torch.rand(256, 1) - 1
        mean, std = true_moments(c)
        x0 = mean + std * torch.randn_like(mean)
        learned = estimator(c)
        prior = DiagonalPrior(learned.mean.detach(), learned.std.detach()) if detached else learned
        timesteps, noise = torch.randint(50, (256,)), torch.randn_like(x0)
        scheduler.set_prior(prior)
        noisy = scheduler.scale_model_input(scheduler.add_noise(x0, noise, timesteps), timesteps)
        prediction = denoiser(torch.cat([noisy, timesteps[:, None] / 25 - 1, c], dim=1))
        target = scheduler.training_target(x0, noise, timesteps)
        loss = prior_loss(prediction, target, prior if weighted else None)
        optimizer.zero_grad()
        (loss + nll_weight * prior_nll(learned, x0)).backward()
        optimizer.step()
    c = torch.linspace(-1, 1, 11)[:, None]
    return estimator, (estimator(c).std / true_moments(c)[1]).mean().item()


def test_the_term_alone_decides_when_the_denoiser_s_loss_is_cut_off() -> None:
    estimator, ratio = train(nll_weight=1.0, detached=True)
    c = torch.linspace(-0.8, 0.8, 9)[:, None]
    mean, std = true_moments(c)
    torch.testing.assert_close(estimator(c).mean, mean, rtol=0, atol=0.15)
    torch.testing.assert_close(estimator(c).std, std, rtol=0.2, atol=0)
    assert ratio == pytest.approx(1, abs=0.1)


def test_with_the_term_joint_training_stays_near_the_data_s_moments() -> None:
    estimator, ratio = train(nll_weight=1.0)
    c = torch.linspace(-0.8, 0.8, 9)[:, None]
    torch.testing.assert_close(estimator(c).mean, true_moments(c)[0], rtol=0, atol=0.2)
    # Up to √2 is what the denoiser's loss can do against it, and something is what it does.
    assert 1.05 < ratio < math.sqrt(2)


def test_without_the_term_sigma_grows() -> None:
    _, early = train(steps=150)
    _, late = train(steps=300)
    assert early > 5
    assert late > 1.2 * early


def test_without_the_term_and_the_weighting_sigma_shrinks() -> None:
    _, ratio = train(weighted=False)
    assert ratio < 0.2


def test_an_output_of_zero_is_the_standard_prior() -> None:
    network = nn.Conv1d(2, 6, kernel_size=1)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    prior = LearnedDiagonalEstimator(network, floor=0.3)(torch.randn(4, 2, 5))
    assert torch.equal(prior.mean, torch.zeros(4, 3, 5))
    torch.testing.assert_close(prior.std, torch.ones(4, 3, 5))


def test_mean_and_std_are_the_halves_of_the_channels() -> None:
    output = torch.tensor([[1.0, 2.0, -1e4, 50.0]])
    prior = LearnedDiagonalEstimator(nn.Identity(), floor=0.3)(output)
    torch.testing.assert_close(prior.mean, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(prior.std, torch.tensor([[0.3, 50 + 0.3 + math.log(math.expm1(0.7))]]))


def test_the_loss_is_the_negative_log_density_per_dimension() -> None:
    mean, std, x = torch.randn(3, 2, 4), torch.rand(3, 2, 4) + 0.5, torch.randn(3, 2, 4)
    expected = -torch.distributions.Normal(mean, std).log_prob(x).mean()
    torch.testing.assert_close(prior_nll(DiagonalPrior(mean, std), x), expected)
    stationary = SpectralPrior(0.0, torch.rand(1, 1, 3) + 0.5, dims=[-1])
    expected = -stationary.log_prob(x).mean() / 8
    torch.testing.assert_close(prior_nll(stationary, x), expected)


@pytest.mark.parametrize("mask_batch", [3, 1])
def test_padding_is_not_data(mask_batch: int) -> None:
    mean, std, x = torch.randn(3, 2, 4), torch.rand(3, 2, 4) + 0.5, torch.randn(3, 2, 4)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])[:mask_batch, None]
    kept = (mask != 0).expand(3, 2, 4)
    expected = -torch.distributions.Normal(mean, std).log_prob(x)[kept].mean()
    spoilt = x.masked_fill(~kept, float("nan"))
    torch.testing.assert_close(prior_nll(DiagonalPrior(mean, std), spoilt, mask), expected)
    assert prior_nll(DiagonalPrior(mean, std), x, torch.zeros(1, 1, 1)).isfinite()


def test_padding_of_what_it_would_cut_through_is_an_error() -> None:
    stationary = SpectralPrior(0.0, torch.ones(1, 1, 3), dims=[-1])
    with pytest.raises(TypeError, match="a SpectralPrior has no masked form"):
        prior_nll(stationary, torch.zeros(3, 2, 4), torch.ones(3, 1, 4))


def test_data_of_another_shape_are_an_error() -> None:
    prior = DiagonalPrior(0.0, torch.ones(3, 2, 4))
    with pytest.raises(ValueError, match=re.escape("does not fit data of shape (3, 2, 5)")):
        prior_nll(prior, torch.zeros(3, 2, 5))


def test_the_loss_is_smallest_at_the_data_s_moments() -> None:
    x0 = torch.randn(50, 3, dtype=torch.float64)
    mean, std = x0.mean(0, keepdim=True), x0.std(0, correction=0, keepdim=True)
    best = prior_nll(DiagonalPrior(mean, std), x0)
    for other in (
        DiagonalPrior(mean + 0.1, std),
        DiagonalPrior(mean, 1.1 * std),
        DiagonalPrior(mean, 0.9 * std),
    ):
        assert prior_nll(other, x0) > best + 1e-3
    mean.requires_grad_()
    std.requires_grad_()
    prior_nll(DiagonalPrior(mean, std), x0).backward()
    assert mean.grad is not None
    assert std.grad is not None
    assert max(mean.grad.abs().max(), std.grad.abs().max()) < 1e-12


def test_gradients_flow_through_sampling_noising_and_losses() -> None:
    estimator = LearnedDiagonalEstimator(nn.Identity())
    x0, noise = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    timesteps = torch.tensor([3, 40])

    def use(output: Tensor) -> tuple[Tensor, ...]:
        prior = estimator(output)
        scheduler = PriorGradScheduler(model_space="centered")
        scheduler.set_prior(prior)
        noisy = scheduler.add_noise(x0, noise, timesteps)
        prediction = torch.tanh(scheduler.scale_model_input(noisy, timesteps))
        target = scheduler.training_target(x0, noise, timesteps)
        sample = prior.sample(x0.shape, torch.Generator().manual_seed(0))
        return sample, noisy, prior_loss(prediction, target, prior), prior_nll(prior, x0)

    output = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    for value in use(output):
        (gradient,) = torch.autograd.grad(value.sum(), output, retain_graph=True)
        assert gradient.abs().min() > 0
    assert gradcheck(use, output)


def test_a_saved_estimator_is_loaded_into_a_network_of_the_same_architecture(tmp_path: Path) -> None:
    estimator, x = LearnedDiagonalEstimator(nn.Linear(3, 4), floor=0.2), torch.randn(5, 3)
    estimator.save_pretrained(tmp_path)
    loaded = LearnedDiagonalEstimator.from_pretrained(tmp_path, network=nn.Linear(3, 4))
    assert loaded.config.floor == 0.2
    assert torch.equal(loaded(x).mean, estimator(x).mean)
    assert torch.equal(loaded(x).std, estimator(x).std)


@pytest.mark.parametrize("floor", [0.0, 1.0, -1.0])
def test_a_floor_outside_of_its_range_is_an_error(floor: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"floor={floor} must lie between 0 and 1")):
        LearnedDiagonalEstimator(nn.Identity(), floor)


def test_an_output_without_two_halves_is_an_error() -> None:
    with pytest.raises(ValueError, match=re.escape("output has shape (2, 5), expected (batch, 2 · channels")):
        LearnedDiagonalEstimator(nn.Identity())(torch.zeros(2, 5))
