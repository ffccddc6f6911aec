from __future__ import annotations

import copy
import pickle
import re
from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff import DiagonalPrior, KroneckerPrior
from tests.priors.cases import covariance, positive, random


def matrix(prior: KroneckerPrior, event_shape: tuple[int, ...]) -> Tensor:
    """Σ, over flattened events."""
    size = torch.Size(event_shape).numel()
    columns = torch.eye(size, dtype=torch.float64).reshape(size, *event_shape)
    root = prior.color(columns).reshape(size, size).T
    return root @ root.T


@given(event_shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
@settings(deadline=None, max_examples=30)
def test_the_covariance_is_the_kronecker_product_over_the_axes(
    event_shape: list[int], data: st.DataObject
) -> None:
    axes = range(1, len(event_shape) + 1)
    named = data.draw(st.lists(st.sampled_from(axes), min_size=1, unique=True))
    factors = {axis: covariance(event_shape[axis - 1], event_shape[axis - 1], seed=axis) for axis in named}
    identities = {axis: torch.eye(event_shape[axis - 1], dtype=torch.float64) for axis in axes}
    expected = reduce(torch.kron, [factors.get(axis, identities[axis]) for axis in axes])
    mean = torch.zeros(1, *event_shape, dtype=torch.float64)
    prior, x = KroneckerPrior(mean, factors), random(2, *event_shape)
    torch.testing.assert_close(matrix(prior, tuple(event_shape)), expected)
    torch.testing.assert_close(prior.log_det(), torch.linalg.slogdet(expected)[1][None])
    torch.testing.assert_close(prior.whiten(prior.color(x)), x)


def test_frames_of_a_video_are_correlated_whatever_its_other_axes() -> None:
    frames = covariance(3, 5, 5)
    prior = KroneckerPrior(0.0, {2: frames})
    assert prior.event_shape == (1, 5)
    for x in (random(3, 2, 5, 4, 4), random(3, 1, 5)):
        expected = torch.einsum("bfg, bcg... -> bcf...", torch.linalg.cholesky(frames), x)
        torch.testing.assert_close(prior.color(x), expected)
        log_det = torch.linalg.slogdet(frames)[1] * (x[0].numel() / 5)
        torch.testing.assert_close(prior.log_det(x.shape[1:]), log_det)


def test_axes_may_be_counted_from_the_end() -> None:
    frames, x = covariance(5, 5), random(3, 2, 5, 4, 4)
    torch.testing.assert_close(
        KroneckerPrior(0.0, {-3: frames}).color(x), KroneckerPrior(0.0, {2: frames}).color(x)
    )
    mean = torch.zeros(1, 1, 1, 1, 1, dtype=torch.float64)
    both_ends = KroneckerPrior(mean, {-1: covariance(4, 4), 2: frames})
    one_end = KroneckerPrior(mean, {4: covariance(4, 4), 2: frames})
    assert both_ends.event_shape == one_end.event_shape == (1, 5, 1, 4)
    torch.testing.assert_close(both_ends.log_prob(x), one_end.log_prob(x))


@pytest.mark.parametrize("axis", [2, -2])
def test_divergences_take_the_axes_from_the_other_prior(axis: int) -> None:
    frames, other = covariance(2, 3, 3), DiagonalPrior(0.0, positive(1, 2, 3, 2))
    prior = KroneckerPrior(0.0, {axis: frames})
    known = KroneckerPrior(torch.zeros(1, 2, 3, 2, dtype=torch.float64), {2: frames})
    torch.testing.assert_close(prior.kl_divergence(other), known.kl_divergence(other))
    torch.testing.assert_close(other.kl_divergence(prior), other.kl_divergence(known))


def test_the_divergence_of_two_kronecker_products_needs_no_loop_over_dimensions() -> None:
    prior = KroneckerPrior(random(2, 2, 3, 4), {1: covariance(2, 2), 2: covariance(2, 3, 3)})
    other = KroneckerPrior(0.0, {2: covariance(3, 3, seed=1), 3: covariance(4, 4, seed=2)})
    closed = prior._trace_ratio(other, torch.Size((2, 3, 4)))
    torch.testing.assert_close(
        closed, super(KroneckerPrior, prior)._trace_ratio(other, torch.Size((2, 3, 4)))
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_identity_covariances_change_no_bit(dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, 5, 6, dtype=dtype)
    prior = KroneckerPrior(0.0, {1: torch.eye(4, dtype=dtype), 3: torch.eye(6, dtype=dtype)})
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype


def test_what_it_returns_is_laid_out_like_any_tensor() -> None:
    prior = KroneckerPrior(0.0, {1: covariance(4, 4)})
    assert prior.color(random(2, 4, 5)).is_contiguous()
    assert prior.whiten(random(2, 4, 5)).is_contiguous()


def test_gradients_reach_mean_and_covariances() -> None:
    x, other = random(2, 2, 3, seed=1), DiagonalPrior(random(2, 2, 3, seed=2), positive(2, 2, 3, seed=3))
    parameters = [
        tensor.requires_grad_() for tensor in (random(2, 2, 3), random(2, 2, 2), random(3, 3, seed=1))
    ]

    def make(mean: Tensor, first: Tensor, second: Tensor) -> KroneckerPrior:
        return KroneckerPrior(
            mean, {1: first @ first.mT + torch.eye(2), 2: second @ second.mT + torch.eye(3)}
        )

    for function in (
        lambda prior: prior.sample((2, 2, 3), torch.Generator().manual_seed(0)),
        lambda prior: prior.whiten(x),
        lambda prior: prior.log_prob(x),
        lambda prior: prior.kl_divergence(other),
        lambda prior: other.kl_divergence(prior),
        lambda prior: prior.kl_divergence(KroneckerPrior(0.0, {1: covariance(2, 2)})),
    ):
        assert torch.autograd.gradcheck(lambda *inputs, f=function: f(make(*inputs)), parameters)


def test_copies_repeat_every_covariance() -> None:
    prior = KroneckerPrior(0.0, {1: covariance(2, 2, 2), 2: covariance(3, 3)})
    for copied in (copy.deepcopy(prior), pickle.loads(pickle.dumps(prior)), prior.to("cpu")):
        assert copied.roots.keys() == prior.roots.keys()
    repeated, x = prior.repeat_interleave(3), random(6, 2, 3, 4)
    assert repeated.batch_size == 6
    torch.testing.assert_close(
        repeated.color(x)[3:5], prior._map(lambda root: root[1:] if root.dim() else root).color(x[3:5])
    )


@pytest.mark.parametrize(
    ("mean", "covariances", "message"),
    [
        (0.0, {}, "covariances names no axis"),
        (
            0.0,
            {1: torch.eye(2), 2: torch.tensor([[1.0, 2.0], [2.0, 1.0]])},
            "covariances[2] must be positive definite, its smallest eigenvalue is -1",
        ),
        (0.0, {1: torch.tensor([[1.0, 0.5], [0.0, 1.0]])}, "covariances[1] must be symmetric"),
        (0.0, {1: torch.ones(2, 3)}, "covariances[1] has shape (2, 3), expected square matrices"),
        (0.0, {1: 2.0}, "covariances[1] has shape ()"),
        (
            0.0,
            {1: torch.eye(2).expand(1, 1, 2, 2)},
            "covariances[1] has shape (1, 1, 2, 2), expected (n, n) or",
        ),
        (0.0, {1: torch.eye(2) * float("nan")}, "covariances[1] holds 4 NaN"),
        (0.0, {1: torch.eye(2, dtype=torch.int64)}, "covariances[1] has dtype torch.int64"),
        (0.0, {0: torch.eye(2)}, "the axes of covariances=[0] must be different axes"),
        (
            0.0,
            {1: torch.eye(2), -1: torch.eye(2)},
            "the axes of covariances=[1, -1] are counted from both ends",
        ),
        (
            torch.zeros(1, 2, 3),
            {2: torch.eye(3), -1: torch.eye(3)},
            "the axes of covariances=[2, -1] must be different axes of data with 3 dimensions",
        ),
        (
            torch.zeros(1, 2),
            {2: torch.eye(3)},
            "covariances=[2] must be different axes of data with 2 dimensions",
        ),
        (
            0.0,
            {1: torch.eye(2).expand(3, 2, 2), 2: torch.eye(2).expand(2, 2, 2)},
            "covariances[2] holds 2 matrices and another axis 3: expected as many, or one",
        ),
        (
            torch.zeros(1, 2),
            {1: torch.eye(3)},
            "mean of shape (1, 2) and covariances for data of shape (1, 3)",
        ),
        (torch.zeros(2, 3), {1: torch.eye(3).expand(5, 3, 3)}, "covariances for data of shape (5, 3)"),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(
    mean: object, covariances: dict[int, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        KroneckerPrior(mean, covariances)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 5), (2,), (3, 1, 5)], ids=str)
def test_data_of_another_shape_are_an_error_that_names_both(shape: tuple[int, ...]) -> None:
    prior = KroneckerPrior(0.0, {2: covariance(2, 5, 5)})
    with pytest.raises(
        ValueError, match=r"2 Gaussians over events of shape \(1, 5\).* " + re.escape(str(shape))
    ):
        prior.color(random(*shape))


def test_a_covariance_of_one_entry_is_for_an_axis_of_one_entry() -> None:
    prior = KroneckerPrior(0.0, {1: torch.full((1, 1), 4.0)})
    torch.testing.assert_close(prior.color(torch.ones(2, 1, 3)), torch.full((2, 1, 3), 2.0))
    with pytest.raises(ValueError, match=r"\(1,\).* \(2, 5, 3\)"):
        prior.color(torch.ones(2, 5, 3))


def test_a_covariance_that_vanishes_in_a_smaller_dtype_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"root of covariances\[1\] must be positive .* torch.float16 is 0"):
        KroneckerPrior(0.0, {1: 1e-20 * torch.eye(2)}).to(torch.float16)
