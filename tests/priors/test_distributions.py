from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Gamma,
    Independent,
    Laplace,
    LogNormal,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from priordiff import DensePrior, DiagonalPrior, LowRankPrior, from_distribution
from tests.priors.cases import covariance, positive, random


def normal(*shape: int, seed: int = 0) -> Normal:
    return Normal(random(*shape, seed=seed), positive(*shape, seed=seed))


def multivariate(*shape: int, seed: int = 0) -> MultivariateNormal:
    return MultivariateNormal(random(*shape, seed=seed), covariance(*shape, shape[-1], seed=seed))


def low_rank(*shape: int, seed: int = 0) -> LowRankMultivariateNormal:
    return LowRankMultivariateNormal(
        random(*shape, seed=seed), random(*shape, 2, seed=seed), positive(*shape, seed=seed)
    )


@pytest.mark.parametrize(
    ("distribution", "kind", "event_shape"),
    [
        (Independent(normal(3, 2, 4), 2), DiagonalPrior, (2, 4)),
        (Independent(Independent(normal(3, 2, 4), 1), 1), DiagonalPrior, (2, 4)),
        (normal(3), DiagonalPrior, ()),
        (multivariate(3, 5), DensePrior, (5,)),
        (Independent(multivariate(3, 2, 4), 1), DensePrior, (2, 4)),
        (low_rank(3, 5), LowRankPrior, (5,)),
        (Independent(low_rank(3, 2, 4), 1), LowRankPrior, (2, 4)),
        (MultivariateNormal(random(3, 5), scale_tril=covariance(5, 5).tril()), DensePrior, (5,)),
        (MultivariateNormal(random(3, 5), precision_matrix=covariance(5, 5)), DensePrior, (5,)),
    ],
    ids=[
        "normal",
        "normal, twice independent",
        "normal numbers",
        "multivariate",
        "multivariate blocks",
        "low rank",
        "low rank blocks",
        "multivariate by its root",
        "multivariate by its precision",
    ],
)
def test_densities_and_divergences_are_those_of_the_distribution(
    distribution: Distribution, kind: type, event_shape: tuple[int, ...]
) -> None:
    prior, x = from_distribution(distribution), random(3, *event_shape, seed=1)
    assert type(prior) is kind
    assert prior.batch_size == 3
    assert prior.event_shape == event_shape == distribution.event_shape
    torch.testing.assert_close(prior.log_prob(x), distribution.log_prob(x))
    torch.testing.assert_close(prior.mean, distribution.mean)
    samples = prior.sample((3, *event_shape), torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior.color(random(3, *event_shape)), samples - distribution.mean)


@pytest.mark.parametrize("make", [multivariate, low_rank])
@pytest.mark.parametrize("shape", [(3, 5), (5,)], ids=str)
def test_divergences_are_those_of_torch(make: Callable[..., Distribution], shape: tuple[int, ...]) -> None:
    first, second = make(*shape), make(3, 5, seed=1)
    torch.testing.assert_close(
        from_distribution(first).kl_divergence(from_distribution(second)), kl_divergence(first, second)
    )


@pytest.mark.parametrize(
    "distribution",
    [Independent(normal(2, 4), 2), multivariate(8), Independent(multivariate(2, 4), 1), low_rank(8)],
    ids=["normal", "multivariate", "multivariate blocks", "low rank"],
)
def test_without_a_batch_shape_it_is_one_gaussian_for_all_items(distribution: Distribution) -> None:
    prior, x = from_distribution(distribution), random(3, *distribution.event_shape, seed=1)
    assert prior.batch_size == 1
    torch.testing.assert_close(prior.log_prob(x), distribution.log_prob(x))


def test_two_numbers_are_the_isotropic_prior() -> None:
    distribution, x = Normal(torch.tensor(0.5).double(), 2.0), random(3, 2, 4)
    prior = from_distribution(distribution)
    torch.testing.assert_close(prior.log_prob(x), distribution.log_prob(x).sum((1, 2)))


@pytest.mark.parametrize("make", [normal, multivariate, low_rank])
def test_further_batch_dimensions_are_independent_parts_of_the_event(
    make: Callable[..., Distribution],
) -> None:
    distribution, x = make(3, 2, 2, 4), random(3, 2, 2, 4, seed=1)
    prior = from_distribution(distribution)
    assert prior.batch_size == 3
    assert prior.event_shape == (2, 2, 4)
    torch.testing.assert_close(prior.log_prob(x), distribution.log_prob(x).reshape(3, -1).sum(1))
    only_first = torch.zeros_like(x)
    only_first[:, 0, 0] = x[:, 0, 0]
    elsewhere = prior.color(only_first).clone()
    elsewhere[:, 0, 0] = 0
    torch.testing.assert_close(elsewhere, torch.zeros_like(x), rtol=0, atol=1e-15)


def test_gradients_reach_the_distributions_parameters() -> None:
    x = random(2, 4, seed=1)
    loc, scale, factor = random(2, 4), positive(2, 4), random(2, 4, 2)

    def log_prob_of(make: type[Distribution]) -> Callable[..., Tensor]:
        return lambda *parameters: from_distribution(make(*parameters, validate_args=False)).log_prob(x)

    def root(matrix: Tensor) -> Tensor:
        return matrix.tril(-1) + torch.diag_embed(scale)

    def multivariate_of_root(loc: Tensor, matrix: Tensor) -> Tensor:
        return from_distribution(MultivariateNormal(loc, scale_tril=root(matrix))).log_prob(x)

    for function, parameters in (
        (log_prob_of(Normal), (loc, scale)),
        (log_prob_of(LowRankMultivariateNormal), (loc, factor, scale)),
        (multivariate_of_root, (loc, random(2, 4, 4))),
    ):
        assert torch.autograd.gradcheck(function, [value.clone().requires_grad_() for value in parameters])


def test_a_root_is_not_decomposed_again() -> None:
    # Its square is not positive definite in float32.
    root = torch.tensor([[1.0, 0.0], [1.0, 1e-5]])
    prior = from_distribution(MultivariateNormal(torch.zeros(1, 2), scale_tril=root))
    assert torch.equal(prior.scale_tril, root[None])
    torch.testing.assert_close(prior.log_det(), torch.tensor([1e-5]).log() * 2)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Laplace(0.0, 1.0), "Laplace"),
        (LogNormal(0.0, 1.0), "LogNormal"),
        (Independent(Gamma(torch.ones(2, 3), torch.ones(2, 3)), 1), "Gamma"),
        (DiagonalPrior(0.0, 1.0), "DiagonalPrior"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_gaussian_of_torch_is_an_error_in_one_line(value: object, name: str) -> None:
    expected = f"no prior is known for a {name}: expected a Normal, MultivariateNormal or LowRankMulti"
    with pytest.raises(TypeError, match=re.escape(expected)) as error:
        from_distribution(value)
    assert "\n" not in str(error.value)


def test_parameters_that_torch_did_not_check_are_checked() -> None:
    with pytest.raises(ValueError, match="std must be positive everywhere"):
        from_distribution(Normal(torch.zeros(1, 2), -torch.ones(1, 2), validate_args=False))
