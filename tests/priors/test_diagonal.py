from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff import DiagonalPrior
from tests.priors.cases import positive, random


def test_it_is_an_independent_normal_of_torch() -> None:
    mean, std, x = random(3, 2, 5), positive(3, 2, 5), random(3, 2, 5, seed=1)
    expected = torch.distributions.Independent(torch.distributions.Normal(mean, std), 2)
    other = torch.distributions.Independent(torch.distributions.Normal(mean.flip(0), std.flip(0)), 2)
    prior = DiagonalPrior(mean, std)
    torch.testing.assert_close(prior.log_prob(x), expected.log_prob(x))
    torch.testing.assert_close(
        prior.kl_divergence(DiagonalPrior(mean.flip(0), std.flip(0))),
        torch.distributions.kl_divergence(expected, other),
    )


@given(
    std=st.floats(1e-6, 1e6),
    mean=st.floats(-1e3, 1e3),
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
@settings(deadline=None)
def test_numbers_are_an_isotropic_gaussian_over_any_event(std: float, mean: float, shape: list[int]) -> None:
    prior = DiagonalPrior(torch.tensor(mean, dtype=torch.float64), std)
    x = mean + std * random(*shape)
    expected = torch.distributions.Normal(prior.mean, prior.std).log_prob(x).reshape(shape[0], -1).sum(1)
    torch.testing.assert_close(prior.log_prob(x), expected)
    torch.testing.assert_close(prior.whiten(prior.color(x)), x)


def test_events_may_be_single_numbers() -> None:
    mean, std, x = random(4), positive(4), random(4, seed=1)
    prior = DiagonalPrior(mean, std)
    torch.testing.assert_close(prior.log_prob(x), torch.distributions.Normal(mean, std).log_prob(x))
    torch.testing.assert_close(prior.log_det(), 2 * std.log())
    assert prior.kl_divergence(DiagonalPrior(0.0, 1.0)).shape == (4,)
    with pytest.raises(ValueError, match=r"4 Gaussians over events of shape \(\).* \(5, 4\)"):
        prior.color(random(5, 4))


def test_numbers_alone_have_a_log_det_for_one_number() -> None:
    torch.testing.assert_close(DiagonalPrior(0.0, 2.0).log_det(), 2 * torch.tensor([2.0]).log())


def test_a_number_takes_dtype_and_device_of_the_other_parameter() -> None:
    assert DiagonalPrior(0.0, positive(1, 2)).mean.dtype == torch.float64
    assert DiagonalPrior(random(1, 2), 1).std.dtype == torch.float64
    assert DiagonalPrior(random(1, 2), 0.3).std == 0.3  # not the nearest number of float32
    assert DiagonalPrior(0, 1).mean.dtype == torch.get_default_dtype()


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.0, 0.0, "std must be positive everywhere, its smallest value in torch.float32 is 0"),
        (0.0, -1.5, "std must be positive everywhere, its smallest value in torch.float32 is -1.5"),
        (
            0.0,
            torch.tensor([[1.0, -0.25]]),
            "std must be positive everywhere, its smallest value in torch.float32 is -0.25",
        ),
        (0.0, float("nan"), "std holds 1 NaN"),
        (0.0, torch.tensor([[1.0, float("inf"), float("nan")]]), "std holds 2 NaN or infinite"),
        (torch.tensor([[float("nan")]]), 1.0, "mean holds 1 NaN"),
        (0.0, torch.ones(1, 2, dtype=torch.int64), "std has dtype torch.int64, expected a floating dtype"),
        (torch.ones(1, 2, dtype=torch.int32), 1.0, "mean has dtype torch.int32, expected a floating dtype"),
        (torch.zeros(2, 3), torch.ones(2, 4), "mean of shape (2, 3) and std for data of shape (2, 4)"),
        (torch.zeros(2, 3), torch.ones(3, 3), "mean of shape (2, 3) and std for data of shape (3, 3)"),
        (torch.zeros(3), torch.ones(2, 3), "mean has shape (3,) and std is for data of shape (2, 3)"),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(mean: object, std: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        DiagonalPrior(mean, std)
    assert "\n" not in str(error.value)


def test_a_std_that_vanishes_in_a_smaller_dtype_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"smallest value in torch.float16 is 0"):
        DiagonalPrior(0.0, torch.full((1, 2), 1e-30)).to(torch.float16)


def test_prepared_for_many_calls_it_is_the_same_gaussian() -> None:
    prior, x = DiagonalPrior(random(2, 1, 5), positive(2, 3, 1)), random(2, 3, 5, seed=1)
    prepared = prior.prepared()
    assert prepared is not prior
    for method in ("color", "whiten", "to_white", "to_data", "mahalanobis", "log_prob"):
        torch.testing.assert_close(
            getattr(prepared, method)(x), getattr(prior, method)(x), rtol=1e-12, atol=1e-12
        )
    moved = prepared.tile(2).to(torch.float32)
    torch.testing.assert_close(moved.whiten(torch.cat([x, x]).float())[2:], prior.whiten(x).float())
    with pytest.raises(ValueError, match="2 Gaussians over events of shape"):
        prepared.to_white(random(3, 3, 5))


def test_prepared_it_changes_no_bit_where_it_is_white() -> None:
    prepared = DiagonalPrior(0.0, torch.ones(1, 4)).prepared()
    x = torch.tensor([[0.0, 1e-40, 7e30, -3.3]])
    for result in (prepared.to_white(x), prepared.whiten(x), prepared.to_data(x)):
        assert torch.equal(result, x)


@pytest.mark.parametrize(
    "prior",
    [
        DiagonalPrior(1.0, 0.5),  # serves every dtype
        DiagonalPrior(0.0, torch.full((1, 2), 0.5, dtype=torch.float16)),
        DiagonalPrior(0.0, torch.full((1, 2), 0.5, requires_grad=True)),
        DiagonalPrior(torch.zeros(1, 2, requires_grad=True), 0.5),
        DiagonalPrior(0.0, torch.full((1, 2), 1e-39)),  # 1/σ is infinite
        DiagonalPrior(1e10, torch.full((1, 2), 1e-30)),  # μ/σ is
    ],
    ids=["numbers", "half", "learned std", "learned mean", "tiny", "far"],
)
def test_it_stays_as_it_is_where_an_inverse_would_not_serve(prior: DiagonalPrior) -> None:
    assert prior.prepared() is prior


def test_prepared_in_inference_mode_it_still_lets_gradients_pass() -> None:
    prior, x = DiagonalPrior(random(1, 2), positive(1, 2)), random(1, 2, seed=1).requires_grad_()
    with torch.inference_mode():
        prepared = prior.prepared()
    (gradient,) = torch.autograd.grad(prepared.to_white(x).sum(), x)
    torch.testing.assert_close(gradient, 1 / prior.std)
