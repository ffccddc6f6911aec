from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, LowRankPrior
from priordiff.estimators import LowRankEstimator

SHAPE = (2, 3, 4)
RANK = 2


def drawn(batch: int, seed: int = 0) -> tuple[LowRankPrior, Tensor]:
    """A Gaussian with two factors, and data drawn from it."""
    random = torch.Generator().manual_seed(seed)
    mean = 3 + torch.rand(1, *SHAPE, generator=random, dtype=torch.float64)
    diagonal = 0.2 + torch.rand(1, *SHAPE, generator=random, dtype=torch.float64)
    factor = torch.randn(1, *SHAPE, RANK, generator=random, dtype=torch.float64)
    prior = LowRankPrior(mean, diagonal, factor)
    return prior, prior.sample((batch, *SHAPE), random)


def test_it_finds_the_gaussian_that_the_data_are_drawn_from() -> None:
    prior, data = drawn(50_000)
    fitted = LowRankEstimator(SHAPE, RANK).double().fit([data])()
    # Half a nat for each parameter and item, divided by the number of items.
    assert float(prior.kl_divergence(fitted)) < 2 * 0.5 * (24 * 4) / 50_000


def test_its_likelihood_is_that_of_a_maximum() -> None:
    _, data = drawn(200)
    fitted = LowRankEstimator(SHAPE, RANK).double().fit([data])()
    best = fitted.log_prob(data).mean()
    for seed in range(20):
        random = torch.Generator().manual_seed(seed)

        def moved(tensor: Tensor, random: torch.Generator = random) -> Tensor:
            return tensor * (1 + 0.03 * torch.randn(tensor.shape, generator=random, dtype=tensor.dtype))

        factor = fitted.factor.reshape(1, *SHAPE, RANK)
        other = LowRankPrior(fitted.mean, moved(fitted.diagonal), moved(factor))
        assert other.log_prob(data).mean() < best


def test_factors_are_worth_more_than_independent_elements() -> None:
    _, data = drawn(500)
    independent = DiagonalPrior(data.mean(0, keepdim=True), data.std(0, correction=0, keepdim=True))
    fitted = LowRankEstimator(SHAPE, RANK).double().fit([data[:250]])()
    assert fitted.log_prob(data[250:]).mean() > independent.log_prob(data[250:]).mean() + 3


def test_it_keeps_the_mean_and_the_floor() -> None:
    data = torch.zeros(10, *SHAPE) + 5
    prior = LowRankEstimator(SHAPE, RANK, floor=0.3).fit([data])()
    torch.testing.assert_close(prior.mean, data[:1])
    torch.testing.assert_close(prior.diagonal, torch.full((1, *SHAPE), 0.09))
    assert prior.factor.abs().max() < 1e-4


def test_fitting_does_not_depend_on_the_batches() -> None:
    whole = drawn(40)[1]
    one, three = (LowRankEstimator(SHAPE, RANK).double().fit(each) for each in ([whole], whole.split(15)))
    torch.testing.assert_close(one.factor.abs(), three.factor.abs(), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(one.diagonal, three.diagonal, rtol=1e-8, atol=1e-10)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = LowRankEstimator(SHAPE, RANK).fit([drawn(50)[1].float()])
    estimator.save_pretrained(tmp_path)
    noise = torch.randn(2, *SHAPE)
    loaded = LowRankEstimator.from_pretrained(tmp_path)()
    assert torch.equal(loaded.to_data(noise), estimator().to_data(noise))


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        LowRankEstimator(SHAPE, RANK)()
    with pytest.raises(ValueError, match="there is no data to fit"):
        LowRankEstimator(SHAPE, RANK).fit([])


def test_data_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=re.escape("shape (1, 2, 4, 4), expected (batch, 2, 3, 4)")):
        LowRankEstimator(SHAPE, RANK).fit([torch.zeros(1, 2, 4, 4)])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shape": (2, 0)}, "shape[1]=0 must be positive"),
        ({"shape": SHAPE, "rank": 0}, "rank=0 must be positive"),
        ({"shape": SHAPE, "floor": 0.0}, "floor=0.0 must be positive"),
        ({"shape": SHAPE, "rank": 24}, "rank=24 must be less than the 24 elements"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LowRankEstimator(**config)
