from __future__ import annotations

import copy
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff import DensePrior, DiagonalPrior, LowRankPrior
from tests.priors.cases import positive, random


@given(
    size=st.integers(1, 12),
    rank=st.integers(1, 15),
    batch=st.integers(1, 3),
    shared=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_it_is_the_low_rank_normal_of_torch(
    size: int, rank: int, batch: int, shared: bool, seed: int
) -> None:
    mean, diagonal = random(batch, size, seed=seed), positive(batch, size, seed=seed)
    factor, x = random(1 if shared else batch, size, rank, seed=seed), random(batch, size, seed=seed + 1)
    prior = LowRankPrior(mean, diagonal, factor)
    expected = torch.distributions.LowRankMultivariateNormal(mean, factor, diagonal)
    torch.testing.assert_close(prior.log_prob(x), expected.log_prob(x))
    torch.testing.assert_close(prior.log_det(), torch.logdet(expected.covariance_matrix))
    dense = DensePrior(mean, expected.covariance_matrix)
    torch.testing.assert_close(prior.mahalanobis(x), dense.mahalanobis(x))
    torch.testing.assert_close(prior.factor, factor.expand(prior.batch_size, -1, -1))
    torch.testing.assert_close(prior.color(prior.whiten(x)), x)


@given(
    scale=st.floats(-12, 12).map(lambda exponent: 10**exponent),
    kind=st.sampled_from(["full rank", "all columns equal", "nearly equal", "more columns than elements"]),
)
@settings(deadline=None)
def test_the_inverse_is_exact_for_any_factor(scale: float, kind: str) -> None:
    factor = {
        "full rank": random(20, 3),
        "all columns equal": random(20, 1).expand(20, 3),
        "nearly equal": random(20, 1) + 1e-3 * random(20, 3, seed=1),
        "more columns than elements": random(20, 30),
    }[kind]
    prior, z = LowRankPrior(0.0, positive(1, 20), scale * factor), random(2, 20, seed=2)
    # As exact as float64 can be: the condition number of L is that of the largest direction to the others.
    condition = 1 + 10 * scale * float(torch.linalg.matrix_norm(factor, 2))
    for back in (prior.whiten(prior.color(z)), prior.color(prior.whiten(z))):
        torch.testing.assert_close(back, z, rtol=0, atol=1e-15 * 20 * condition)
    covariance = torch.diag(prior.diagonal[0]) + scale**2 * factor @ factor.mT
    root = prior.color(torch.eye(20, dtype=torch.float64)).mT
    torch.testing.assert_close(root @ root.mT, covariance, rtol=1e-9, atol=1e-12 * scale**2 + 1e-17)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch", [1, 3])
def test_an_identity_changes_no_bit(batch: int, dtype: torch.dtype) -> None:
    prior = LowRankPrior(0.0, 1.0, torch.zeros(batch, 10, 2, dtype=dtype))
    x = torch.randn(3, 2, 5).to(dtype)
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype
    assert torch.equal(prior.log_det((2, 5)), torch.zeros(batch, dtype=dtype))


def test_a_factor_of_zero_is_the_diagonal_prior() -> None:
    mean, variance, x = random(2, 3, 4), positive(2, 3, 4), random(2, 3, 4, seed=1)
    prior = LowRankPrior(mean, variance, torch.zeros(12, 2).double())
    diagonal = DiagonalPrior(mean, variance.sqrt())
    assert torch.equal(prior.color(x), diagonal.color(x))
    torch.testing.assert_close(prior.log_prob(x), diagonal.log_prob(x))


def test_offset_noise_shifts_whole_channels() -> None:
    offset = 0.5 * torch.eye(2, dtype=torch.float64).repeat_interleave(6, dim=0)
    sample = LowRankPrior(0.0, 1.0, offset).sample((20_000, 2, 3, 2), torch.Generator().manual_seed(0))
    variance = sample.mean((2, 3)).T.cov()
    torch.testing.assert_close(
        variance, torch.eye(2).double() * (0.25 + 1 / 6), rtol=0, atol=5 * (2 / 20_000) ** 0.5
    )


def test_cost_is_linear_in_the_elements() -> None:
    # A D × D matrix would take 160 GB.
    prior = LowRankPrior(0.0, 0.5, 0.1 * torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(2, 1, 200_000)
    torch.testing.assert_close(prior.whiten(prior.color(x)), x, rtol=0, atol=1e-4)
    assert math.isfinite(prior.log_prob(x).sum())
    other = LowRankPrior(0.0, 1.0, torch.full((200_000, 1), 0.01))
    assert prior.kl_divergence(other) > 0
    assert prior.kl_divergence(DiagonalPrior(torch.zeros(1, 200_000), 1.0)) > 0


@pytest.mark.parametrize("other_batch", [1, 3])
def test_divergences_need_no_loop_over_dimensions(other_batch: int) -> None:
    prior = LowRankPrior(random(1, 2, 4), positive(1, 2, 1), random(8, 3))
    event_shape = torch.Size((2, 4))
    for other in (
        LowRankPrior(random(other_batch, 2, 4, seed=1), 0.3, random(other_batch, 8, 2, seed=1)),
        DiagonalPrior(random(other_batch, 2, 4, seed=1), positive(1, 2, 4, seed=1)),
        DiagonalPrior(0.0, torch.tensor(0.3).double()),
    ):
        general = super(LowRankPrior, prior)._trace_ratio(other, event_shape)
        torch.testing.assert_close(prior._trace_ratio(other, event_shape), general)


def test_the_factor_may_be_flattened_or_have_the_axes_of_an_event() -> None:
    factor, x = random(2, 3, 4, 5), random(2, 3, 4, seed=1)
    known, flat = LowRankPrior(0.5, 0.7, factor), LowRankPrior(0.5, 0.7, factor.reshape(2, 12, 5))
    assert known.event_shape == (3, 4)
    assert flat.event_shape == (12,)
    torch.testing.assert_close(known.color(x), flat.color(x))
    torch.testing.assert_close(known.log_prob(x), flat.log_prob(x))
    torch.testing.assert_close(flat.color(x.reshape(2, 12)), known.color(x).reshape(2, 12))
    with pytest.raises(ValueError, match=r"\(3, 4\).* \(2, 12\)"):
        known.color(x.reshape(2, 12))
    per_channel = LowRankPrior(0.5, positive(1, 3, 1), factor)
    torch.testing.assert_close(
        per_channel.color(x), LowRankPrior(0.5, positive(1, 3, 1).expand(1, 3, 4), factor).color(x)
    )


def test_one_factor_serves_every_item_as_if_it_were_repeated() -> None:
    mean, factor, x = random(3, 2, 4), random(8, 2), random(3, 2, 4, seed=1)
    prior, repeated = (LowRankPrior(mean, 0.5, u) for u in (factor, factor.repeat(3, 1, 1)))
    torch.testing.assert_close(prior.color(x), repeated.color(x))
    torch.testing.assert_close(prior.log_prob(x), repeated.log_prob(x))
    torch.testing.assert_close(prior.tile(2).whiten(x.repeat(2, 1, 1)), repeated.whiten(x).repeat(2, 1, 1))


def test_half_precision_keeps_the_inverse() -> None:
    prior = LowRankPrior(random(2, 8), positive(2, 8), 30 * random(8, 3)).to(torch.bfloat16)
    z = random(2, 8, seed=1)
    assert prior.log_det().dtype == prior.factor.dtype == torch.bfloat16
    for moved in (prior, prior.to(torch.bfloat16), prior.to("cpu"), prior.repeat_interleave(1)):
        torch.testing.assert_close(moved.whiten(moved.color(z)), z, rtol=0, atol=1e-4)


def test_autocast_does_not_round_the_products() -> None:
    prior, z = LowRankPrior(0.0, 0.5, torch.randn(8, 3)), torch.randn(3, 8)
    expected = prior.color(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(prior.color(z), expected)
        torch.testing.assert_close(prior.whiten(expected), z, rtol=0, atol=1e-4)


@pytest.mark.parametrize("factor", ["full rank", "zero", "all columns equal", "more columns than elements"])
def test_gradients_reach_every_parameter(factor: str) -> None:
    x = random(2, 1, 4, seed=1)
    diagonal = DiagonalPrior(random(2, 1, 4, seed=2), positive(2, 1, 4, seed=3))
    low_rank = LowRankPrior(random(2, 1, 4, seed=4), positive(2, 1, 4, seed=5), random(2, 4, 2, seed=6))
    columns = {
        "full rank": random(2, 4, 2),
        "zero": torch.zeros(4, 2).double(),
        "all columns equal": random(1, 4, 1).repeat(1, 1, 2),
        "more columns than elements": random(4, 5),
    }[factor]
    parameters = [value.requires_grad_() for value in (random(2, 1, 4), positive(2, 1, 4), columns)]
    for function in (
        lambda prior: prior.sample((2, 1, 4), torch.Generator().manual_seed(0)),
        lambda prior: prior.whiten(x),
        lambda prior: prior.log_prob(x),
        lambda prior: prior.kl_divergence(diagonal),
        lambda prior: diagonal.kl_divergence(prior),
        lambda prior: prior.kl_divergence(low_rank),
        lambda prior: low_rank.kl_divergence(prior),
    ):
        assert torch.autograd.gradcheck(lambda *p, f=function: f(LowRankPrior(*p)), parameters)


def test_gradients_reach_what_is_coloured_and_whitened() -> None:
    prior, x = LowRankPrior(0.0, 0.5, random(6, 2)), random(2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(prior.color, x)
    assert torch.autograd.gradcheck(prior.whiten, x)


def test_a_prior_with_a_mean_to_learn_can_be_copied() -> None:
    assert copy.deepcopy(LowRankPrior(random(2, 4).requires_grad_(), 1.0, random(4, 1))).mean.requires_grad


@pytest.mark.parametrize(
    ("mean", "diagonal", "factor", "message"),
    [
        (
            0.0,
            -0.5,
            torch.ones(2, 1),
            "diagonal must be positive everywhere, its smallest value in torch.float32 is -0.5",
        ),
        (
            0.0,
            torch.tensor([[1.0, 0.0]]),
            torch.ones(2, 1),
            "diagonal must be positive everywhere, its smallest value in torch.float32 is 0",
        ),
        (0.0, 1.0, torch.full((2, 1), float("inf")), "factor holds 2 NaN or infinite values"),
        (0.0, float("nan"), torch.ones(2, 1), "diagonal holds 1 NaN"),
        (0.0, 1e-30, torch.full((2, 1), 1e30), "factor / √diagonal holds 2 NaN or infinite values"),
        (float("inf"), 1.0, torch.ones(2, 1), "mean holds 1 NaN or infinite"),
        (0.0, 1.0, torch.ones(2, 1, dtype=torch.int64), "factor has dtype torch.int64"),
        (0.0, 1.0, torch.ones(3), "factor has shape (3,), expected (D, r) or (batch, …, r)"),
        (torch.zeros(1, 4), 1.0, torch.ones(3, 1), "mean and diagonal of shape (1, 4) and factor for 1 Gaus"),
        (0.0, torch.ones(2, 5), torch.ones(6, 1), "mean and diagonal of shape (2, 5) and factor for 1 Gauss"),
        (torch.zeros(2, 3), 1.0, torch.ones(4, 3, 1), "mean and diagonal of shape (2, 3) and factor for 4"),
        (
            0.0,
            torch.ones(1, 2, 3),
            torch.ones(1, 2, 4, 1),
            "diagonal has shape (1, 2, 3) and factor is for data of shape (1, 2, 4)",
        ),
        (
            0.0,
            torch.ones(4),
            torch.ones(1, 2, 4, 1),
            "diagonal has shape (4,) and factor is for data of shape (1, 2, 4)",
        ),
        (torch.zeros(1, 2, 3), torch.ones(1, 2), torch.ones(6, 1), "mean has shape (1, 2, 3) and diagonal"),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(
    mean: object, diagonal: object, factor: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        LowRankPrior(mean, diagonal, factor)
    assert "\n" not in str(error.value)


def test_a_variance_that_vanishes_in_a_smaller_dtype_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"smallest value in torch.float16 is 0"):
        LowRankPrior(0.0, 1e-30, torch.ones(2, 1)).to(torch.float16)
