from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import LearnedImageEstimator, LocalRegressionEstimator, PriorEstimator
from priordiff.estimators import prior_nll

SHAPE = (2, 6, 6)
GIVEN: dict[str, tuple[dict[str, int], tuple[Tensor, ...]]] = {
    "labels": ({"num_classes": 3}, (torch.tensor([0, 2]),)),
    "image": ({"in_channels": 3}, (torch.randn(2, 3, 6, 6),)),
    "text": ({"text_features": 5}, (torch.randn(2, 5),)),
    "all": (
        {"num_classes": 3, "in_channels": 1, "text_features": 5},
        (torch.tensor([0, 2]), torch.randn(2, 1, 6, 6), torch.randn(2, 5)),
    ),
}


def make_estimator(**config: Any) -> LearnedImageEstimator:
    torch.manual_seed(0)
    return LearnedImageEstimator(SHAPE, **{"channels": 16, "layers": 1, "dropout": 0.0, **config})


def perturbed(estimator: LearnedImageEstimator) -> LearnedImageEstimator:
    """With no layer at zero any more."""
    for parameter in estimator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return estimator


def learn(estimator: PriorEstimator, draw: Any, steps: int = 200) -> float:
    """Its negative log-likelihood of data that it has not seen."""
    optimizer = torch.optim.Adam(estimator.parameters(), lr=1e-2)
    for step in range(steps):
        *given, data = draw(step)
        optimizer.zero_grad()
        prior_nll(estimator(*given), data).backward()
        optimizer.step()
    *given, data = draw(steps)
    return prior_nll(estimator.eval()(*given), data).item()


def edges(seed: int, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Data that are the conditioning's absolute value, the less certain where that is positive."""
    random = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 2, 6, 6, generator=random)
    std = torch.where(image > 0, 0.8, 0.2)
    return image, image.abs() + std * torch.randn(image.shape, generator=random)


@pytest.mark.parametrize("given", GIVEN)
def test_untrained_it_is_standard_normal_whatever_it_is_given(given: str) -> None:
    config, conditioning = GIVEN[given]
    prior = make_estimator(**config)(*conditioning)
    torch.testing.assert_close(prior.mean, torch.zeros(2, *SHAPE))
    torch.testing.assert_close(prior.std, torch.ones(2, *SHAPE))


def test_trained_by_likelihood_it_learns_what_a_filter_cannot() -> None:
    learned = learn(make_estimator(in_channels=2, floor=0.05), edges)
    fitted = LocalRegressionEstimator(2, 2).fit([edges(step) for step in range(50)])
    image, data = edges(1000)
    assert learned < float(prior_nll(fitted(image), data)) - 0.5
    # Of the true densities, half of whose σ are 0.8 and half 0.2.
    entropy = 0.5 * float(torch.tensor(2 * torch.pi * torch.e * 0.16).log())
    assert learned == pytest.approx(entropy, abs=0.1)


@pytest.mark.parametrize("kind", ["labels", "text"])
def test_a_class_or_a_text_has_means_and_deviations_of_its_own(kind: str) -> None:
    means = torch.tensor([[-2.0], [2.0]]).reshape(2, 1, 1, 1) * torch.linspace(0, 1, 6)

    def draw(step: int) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(step)
        labels = torch.randint(2, (64,), generator=random)
        noise = (0.2 + 0.4 * labels)[:, None, None, None] * torch.randn(64, *SHAPE, generator=random)
        given = labels if kind == "labels" else torch.nn.functional.one_hot(labels, 4).float()
        return given, means[labels] + noise

    config = {"num_classes": 2} if kind == "labels" else {"text_features": 4}
    estimator = make_estimator(**config)
    learn(estimator, draw)
    both = torch.arange(2) if kind == "labels" else torch.eye(4)[:2]
    prior = estimator(both)
    torch.testing.assert_close(prior.mean, means.expand(2, *SHAPE), rtol=0, atol=0.3)
    torch.testing.assert_close(prior.std.mean((1, 2, 3)), torch.tensor([0.2, 0.6]), rtol=0.15, atol=0)


@pytest.mark.parametrize("given", GIVEN)
def test_gradients_reach_every_parameter(given: str) -> None:
    config, conditioning = GIVEN[given]
    estimator = perturbed(make_estimator(**config))
    prior_nll(estimator(*conditioning), torch.randn(2, *SHAPE)).backward()
    for name, parameter in estimator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_sees_the_neighbourhood_and_the_place() -> None:
    estimator = perturbed(make_estimator(in_channels=1, kernel_size=3))
    image = torch.zeros(1, 1, 6, 6)
    changed = image.clone()
    changed[..., 2, 2] = 1
    seen = (estimator(changed).mean - estimator(image).mean).abs().sum(1)[0] > 1e-6
    assert seen[1:4, 1:4].all()
    assert not seen[4:].any()
    assert estimator(image).mean[0, 0, 2, 2] != estimator(image).mean[0, 0, 3, 3]


def test_dropout_acts_in_training_alone() -> None:
    estimator = perturbed(make_estimator(num_classes=3, dropout=0.5))
    labels = torch.tensor([1])
    estimator.train()
    assert not torch.equal(estimator(labels).mean, estimator(labels).mean)
    estimator.eval()
    assert torch.equal(estimator(labels).mean, estimator(labels).mean)


def test_the_standard_deviation_stays_above_the_floor() -> None:
    estimator = make_estimator(num_classes=3, floor=0.2)
    torch.nn.init.constant_(estimator.output.bias, -100.0)
    torch.testing.assert_close(estimator(torch.tensor([0])).std, torch.full((1, *SHAPE), 0.2))


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    config, conditioning = GIVEN["all"]
    estimator = perturbed(make_estimator(**config)).eval()
    estimator.save_pretrained(tmp_path)
    loaded = LearnedImageEstimator.from_pretrained(tmp_path)
    assert torch.equal(loaded(*conditioning).mean, estimator(*conditioning).mean)
    assert torch.equal(loaded(*conditioning).std, estimator(*conditioning).std)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shape": (2, 6)}, "shape=[2, 6], expected (channels, height, width)"),
        ({"shape": (2, 0, 6)}, "shape[1]=0 must be positive"),
        ({"shape": SHAPE, "layers": 0}, "layers=0 must be positive"),
        ({"shape": SHAPE, "floor": 1.0}, "floor=1.0 must lie between 0 and 1"),
        ({"shape": SHAPE, "dropout": 1.0}, "dropout=1.0 must lie in [0, 1)"),
        ({"shape": SHAPE, "kernel_size": 4}, "kernel_size=4 must be a positive odd number"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LearnedImageEstimator(**config)


def test_conditioning_that_it_was_not_made_for_is_an_error() -> None:
    estimator = make_estimator(num_classes=3, in_channels=1)
    with pytest.raises(ValueError, match="1 tensors are given, expected labels, image"):
        estimator(torch.tensor([0]))
    with pytest.raises(ValueError, match=re.escape("image has shape (1, 1, 4, 6), expected (batch, 1")):
        estimator(torch.tensor([0]), torch.zeros(1, 1, 4, 6))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), "label 3 does not lie in 0…2: make it with enough num_classes"),
        (torch.tensor([-1]), "label -1 does not lie in 0…2"),
        (torch.tensor([0.0]), "labels have dtype torch.float32, expected integers"),
    ],
)
def test_labels_that_are_no_classes_are_an_error(labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_estimator(num_classes=3)(labels)
