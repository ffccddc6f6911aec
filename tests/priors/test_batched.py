"""Batches of parameters that move, repeat and are copied, whatever the covariance structure."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from priordiff import DiagonalPrior, GaussianPrior
from tests.priors.cases import EVENT, MakePrior, random


def assert_same(prior: GaussianPrior, other: GaussianPrior) -> None:
    assert type(prior) is type(other)
    z = random(3, *EVENT, seed=5).to(prior.mean.dtype)
    assert torch.equal(prior.mean, other.mean)
    assert torch.equal(prior.color(z), other.color(z))


def test_it_moves_to_a_device_or_dtype(prior: GaussianPrior) -> None:
    assert_same(prior.to("cpu"), prior)
    assert_same(prior.to(torch.device("cpu")), prior)
    assert prior.to(torch.float32).mean.dtype == torch.float32
    assert prior.to(torch.float32).color(torch.ones(3, *EVENT)).dtype == torch.float32


@pytest.mark.parametrize("batch", [1, 3])
def test_repeating_serves_several_samples_of_each_item(make_prior: MakePrior, batch: int) -> None:
    prior = make_prior(batch)
    repeated = prior.repeat_interleave(2)
    z = random(2 * batch, *EVENT, seed=1)
    for index in range(2 * batch):
        one = make_prior(batch)._map(lambda tensor, i=index // 2: tensor[[i]] if tensor.dim() else tensor)
        torch.testing.assert_close(repeated.color(z)[[index]], one.color(z[[index]]))
        mean = repeated.mean.expand(2 * batch, *EVENT)[index]
        torch.testing.assert_close(mean, one.mean.expand(1, *EVENT)[0])
    assert repeated.batch_size == (prior.batch_size if not prior.event_shape else 2 * batch)


def test_copies_and_pickles_are_the_same_prior(prior: GaussianPrior) -> None:
    assert_same(copy.deepcopy(prior), prior)
    assert_same(pickle.loads(pickle.dumps(prior)), prior)


def test_a_prior_computed_with_gradients_can_be_copied(prior: GaussianPrior) -> None:
    mean = prior.mean.detach().clone().requires_grad_()
    learned = prior._map(lambda tensor: 2 * tensor)
    learned.mean = 2 * mean
    copied = copy.deepcopy(learned)
    assert_same(copied, learned)
    copied.mean.sum().backward()
    assert mean.grad is not None


def test_detached_no_gradient_reaches_the_parameters(prior: GaussianPrior) -> None:
    learned = copy.deepcopy(prior)
    learned.mean = learned.mean.clone().requires_grad_()
    assert learned.sample((3, *EVENT)).requires_grad
    assert not learned.detach().sample((3, *EVENT)).requires_grad
    assert_same(learned.detach(), prior)


def test_a_mean_that_a_smaller_dtype_cannot_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"mean holds 1 NaN or infinite values in torch.float16"):
        DiagonalPrior(torch.tensor([[1.0, 1e6]]), 1.0).to(torch.float16)
