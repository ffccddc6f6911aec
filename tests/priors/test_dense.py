from __future__ import annotations

import copy
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff import DensePrior, DiagonalPrior
from tests.priors.cases import covariance, positive, random


@given(size=st.integers(1, 12), batch=st.integers(1, 3), shared=st.booleans(), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_it_is_the_multivariate_normal_of_torch(size: int, batch: int, shared: bool, seed: int) -> None:
    mean, x = random(batch, size, seed=seed), random(batch, size, seed=seed + 1)
    matrix = covariance(1 if shared else batch, size, size, seed=seed)
    other = covariance(batch, size, size, seed=seed + 1)
    prior, expected = DensePrior(mean, matrix), torch.distributions.MultivariateNormal(mean, matrix)
    torch.testing.assert_close(prior.log_prob(x), expected.log_prob(x))
    torch.testing.assert_close(prior.color(x), (expected.scale_tril @ x[..., None])[..., 0])
    torch.testing.assert_close(
        prior.kl_divergence(DensePrior(0.0, other)),
        torch.distributions.kl_divergence(
            expected, torch.distributions.MultivariateNormal(torch.zeros_like(mean), other)
        ),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_covariance_of_the_identity_changes_no_bit(batch: int, dtype: torch.dtype) -> None:
    prior = DensePrior(0.0, torch.eye(10, dtype=dtype).expand(batch, 10, 10))
    x = torch.randn(3, 2, 5).to(dtype)
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype
    assert torch.equal(prior.log_det((2, 5)), torch.zeros(batch, dtype=dtype))


def test_one_covariance_serves_every_item_as_if_it_were_repeated() -> None:
    mean, matrix, x = random(3, 2, 4), covariance(8, 8), random(3, 2, 4, seed=1)
    repeated = DensePrior(mean, matrix.repeat(3, 1, 1))
    for prior in (DensePrior(mean, matrix), DensePrior(mean, matrix[None])):
        torch.testing.assert_close(prior.color(x), repeated.color(x))
        torch.testing.assert_close(prior.whiten(x), repeated.whiten(x))
        torch.testing.assert_close(prior.log_prob(x), repeated.log_prob(x))
        torch.testing.assert_close(
            prior.tile(2).whiten(x.repeat(2, 1, 1)), repeated.whiten(x).repeat(2, 1, 1)
        )


@pytest.mark.parametrize("shape", [(12,), (2, 6), (3, 4), (1, 12, 1), (2, 3, 2)], ids=str)
def test_a_mean_that_is_a_number_fits_any_event_of_as_many_elements(shape: tuple[int, ...]) -> None:
    matrix, x = covariance(2, 12, 12), random(2, *shape, seed=1)
    prior, flat = DensePrior(0.5, matrix), DensePrior(torch.full((1, 12), 0.5).double(), matrix)
    assert prior.event_shape == (12,)
    torch.testing.assert_close(prior.log_prob(x), flat.log_prob(x.reshape(2, 12)))
    torch.testing.assert_close(prior.color(x).reshape(2, 12), flat.color(x.reshape(2, 12)))
    assert prior.sample(x.shape).shape == x.shape
    torch.testing.assert_close(prior.log_det(shape), prior.log_det())


def test_an_event_that_is_left_open_is_that_of_the_other_prior() -> None:
    prior, other = DensePrior(0.5, covariance(2, 12, 12)), DiagonalPrior(0.0, positive(2, 3, 4))
    known = DensePrior(torch.full((1, 3, 4), 0.5).double(), covariance(2, 12, 12))
    torch.testing.assert_close(prior.kl_divergence(other), known.kl_divergence(other))
    torch.testing.assert_close(other.kl_divergence(prior), other.kl_divergence(known))
    torch.testing.assert_close(prior.kl_divergence(known), torch.zeros(2).double(), rtol=0, atol=1e-12)


def test_a_mean_that_broadcasts_says_what_it_knows_of_the_event() -> None:
    matrix = covariance(12, 12)
    known = DensePrior(random(2, 3, 1), matrix)
    assert known.event_shape == (3, 4)
    open_event = DensePrior(random(2, 1, 1), matrix)
    assert open_event.event_shape == (1, 12)
    x = random(2, 3, 4, seed=1)
    torch.testing.assert_close(known.color(x), open_event.color(x))
    torch.testing.assert_close(
        open_event.log_prob(x), DensePrior(open_event.mean.expand(2, 3, 4), matrix).log_prob(x)
    )
    for shape in [(2, 4, 3), (2, 12), (2, 3, 4, 1)]:
        with pytest.raises(ValueError, match=r"\(3, 4\).* " + re.escape(str(shape))):
            known.color(random(*shape))
    for shape in [(2, 3, 3), (3, 3, 4), (2, 12), (2,)]:
        with pytest.raises(ValueError, match=r"\(1, 12\).* " + re.escape(str(shape))):
            open_event.color(random(*shape))


def test_events_may_be_single_numbers() -> None:
    mean, variance, x = random(4), positive(4, 1, 1), random(4, seed=1)
    prior, diagonal = DensePrior(mean, variance), DiagonalPrior(mean, variance.reshape(4).sqrt())
    torch.testing.assert_close(prior.log_prob(x), diagonal.log_prob(x))
    torch.testing.assert_close(prior.log_det(), diagonal.log_det())


def test_the_divergence_of_two_dense_priors_needs_no_loop_over_dimensions() -> None:
    prior, other = (DensePrior(random(2, 6), covariance(2, 6, 6, seed=seed)) for seed in (0, 1))
    general = super(DensePrior, prior)._trace_ratio(other, torch.Size((6,)))
    torch.testing.assert_close(prior._trace_ratio(other, torch.Size((6,))), general)


def test_a_rough_factor_still_has_an_exact_inverse() -> None:
    prior, z = DensePrior(0.0, covariance(2, 8, 8)).to(torch.bfloat16), random(2, 8)
    assert prior.scale_tril.dtype == torch.bfloat16
    assert prior.color(z).dtype == torch.float64
    torch.testing.assert_close(prior.whiten(prior.color(z)), z)


def test_autocast_does_not_round_the_products() -> None:
    prior, z = DensePrior(0.0, covariance(8, 8).float()), torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(prior.color(z), prior.to("cpu").color(z))
        torch.testing.assert_close(prior.whiten(prior.color(z)), z)


def test_an_ill_conditioned_covariance_has_an_exact_inverse() -> None:
    basis = torch.linalg.qr(random(30, 30)).Q
    matrix = basis @ torch.diag(torch.logspace(-8, 0, 30, dtype=torch.float64)) @ basis.T
    prior, z = DensePrior(0.0, matrix), random(2, 30, seed=1)
    torch.testing.assert_close(prior.whiten(prior.color(z)), z, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_reach_mean_and_covariance(shared: bool) -> None:
    x = random(2, 1, 4, seed=1)
    diagonal = DiagonalPrior(random(2, 1, 4, seed=2), positive(2, 1, 4, seed=3))
    dense = DensePrior(random(2, 1, 4, seed=4), covariance(4, 4, seed=5))

    def make(mean: torch.Tensor, factor: torch.Tensor) -> DensePrior:
        return DensePrior(mean, factor @ factor.mT + torch.eye(4))

    parameters = random(2, 1, 4).requires_grad_(), random(*([] if shared else [2]), 4, 4).requires_grad_()
    for function in (
        lambda prior: prior.sample((2, 1, 4), torch.Generator().manual_seed(0)),
        lambda prior: prior.whiten(x),
        lambda prior: prior.log_prob(x),
        lambda prior: prior.kl_divergence(diagonal),
        lambda prior: diagonal.kl_divergence(prior),
        lambda prior: prior.kl_divergence(dense),
        lambda prior: dense.kl_divergence(prior),
    ):
        assert torch.autograd.gradcheck(lambda *p, f=function: f(make(*p)), parameters)


def test_gradients_reach_what_is_coloured_and_whitened() -> None:
    prior, x = DensePrior(0.0, covariance(2, 6, 6)), random(2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(prior.color, x)
    assert torch.autograd.gradcheck(prior.whiten, x)


def test_a_prior_with_a_mean_to_learn_can_be_copied() -> None:
    assert copy.deepcopy(DensePrior(random(2, 4).requires_grad_(), covariance(4, 4))).mean.requires_grad


NAN = float("nan")


@pytest.mark.parametrize(
    ("mean", "matrix", "message"),
    [
        (0.0, torch.ones(2, 3), "covariance has shape (2, 3), expected square matrices"),
        (0.0, torch.ones(2), "covariance has shape (2,), expected square matrices"),
        (
            0.0,
            torch.eye(2).expand(1, 1, 2, 2),
            "covariance has shape (1, 1, 2, 2), expected (D, D) or (batch",
        ),
        (0.0, torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "covariance must be symmetric"),
        (0.0, torch.tensor([[1.0, NAN], [NAN, 1.0]]), "covariance holds 2 NaN or infinite values"),
        (0.0, torch.eye(2, dtype=torch.int64), "covariance has dtype torch.int64, expected a floating dtype"),
        (
            0.0,
            torch.tensor([[1.0, 2.0], [2.0, 1.0]]),
            "covariance must be positive definite, its smallest eigenvalue is -1",
        ),
        (0.0, torch.zeros(3, 3), "covariance must be positive definite, its smallest eigenvalue is 0"),
        (torch.tensor([[NAN, 0.0]]), torch.eye(2), "mean holds 1 NaN"),
        (
            torch.zeros(3),
            torch.eye(3),
            "mean of shape (3,) and covariance for 1 Gaussians over events of 3 elements do not fit: "
            "expected the batch first",
        ),
        (torch.zeros(1, 2, 3), torch.eye(5), "mean of shape (1, 2, 3) and covariance for 1 Gaussians"),
        (torch.zeros(1, 1, 3), torch.eye(5), "mean of shape (1, 1, 3) and covariance for 1 Gaussians"),
        (
            torch.zeros(2, 3),
            torch.eye(3).expand(4, 3, 3),
            "mean of shape (2, 3) and covariance for 4 Gaussians over events of 3 elements",
        ),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(mean: object, matrix: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        DensePrior(mean, matrix)
    assert "\n" not in str(error.value)


def test_a_root_may_be_given_instead() -> None:
    root, x = covariance(2, 6, 6).tril(), random(2, 2, 3)
    prior = DensePrior.from_scale_tril(0.5, root)
    torch.testing.assert_close(prior.color(x), DensePrior(0.5, root @ root.mT).color(x))
    assert torch.equal(prior.scale_tril, root)
    shared = DensePrior.from_scale_tril(random(2, 6), root[0])
    assert torch.equal(shared.scale_tril, root[:1].expand(2, 6, 6))
    learned = root.clone().requires_grad_()
    assert copy.deepcopy(DensePrior.from_scale_tril(0.0, learned)).scale_tril.requires_grad


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (torch.ones(2, 3), "scale_tril has shape (2, 3), expected (D, D) or (batch, D, D)"),
        (torch.ones(2), "scale_tril has shape (2,), expected (D, D) or (batch, D, D)"),
        (
            torch.eye(2).expand(1, 1, 2, 2),
            "scale_tril has shape (1, 1, 2, 2), expected (D, D) or (batch, D, D)",
        ),
        (
            torch.full((2, 2), 0.5),
            "scale_tril must be lower triangular, above its diagonal it holds up to 0.5",
        ),
        (
            torch.diag(torch.tensor([1.0, -2.0])),
            "the diagonal of scale_tril must be positive everywhere, its",
        ),
        (torch.full((2, 2), NAN), "scale_tril holds 4 NaN or infinite values"),
    ],
)
def test_a_bad_root_is_an_error_in_one_line(root: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        DensePrior.from_scale_tril(0.0, root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (
            1e-20,
            "the diagonal of scale_tril must be positive everywhere, its smallest value in torch.float16",
        ),
        (1e12, "scale_tril holds 3 NaN or infinite values"),
    ],
)
def test_a_root_that_a_smaller_dtype_spoils_is_an_error(scale: float, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        DensePrior(0.0, scale * torch.eye(3)).to(torch.float16)
