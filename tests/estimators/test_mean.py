from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from priordiff.estimators import MeanEstimator


def test_the_prior_is_white_noise_around_what_the_network_predicts() -> None:
    network, x = nn.Conv1d(3, 2, kernel_size=1), torch.randn(4, 3, 5)
    prior = MeanEstimator(network)(x)
    assert torch.equal(prior.mean, network(x))
    noise = torch.randn(4, 2, 5)
    assert torch.equal(prior.color(noise), noise)


def test_a_network_may_take_several_conditions() -> None:
    prior = MeanEstimator(nn.Bilinear(3, 2, 4))(torch.randn(5, 3), torch.randn(5, 2))
    assert prior.mean.shape == (5, 4)


def test_gradients_reach_the_network() -> None:
    network = nn.Linear(3, 2)
    MeanEstimator(network)(torch.ones(1, 3)).log_prob(torch.ones(1, 2)).sum().backward()
    assert network.weight.grad is not None
    assert network.weight.grad.abs().min() > 0


def test_a_saved_estimator_is_loaded_into_a_network_of_the_same_architecture(tmp_path: Path) -> None:
    estimator, x = MeanEstimator(nn.Linear(3, 2)), torch.randn(4, 3)
    estimator.save_pretrained(tmp_path)
    loaded = MeanEstimator.from_pretrained(tmp_path, network=nn.Linear(3, 2))
    assert torch.equal(loaded(x).mean, estimator(x).mean)
